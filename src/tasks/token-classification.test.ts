import { describe, expect, test } from "vitest";
import type { TaggedSentence, TaggedSource } from "../data/tagged-sentence.ts";
import { bertFraming } from "../models/framing.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";
import { readTagged, tagWindows } from "./tagging-data.ts";
import { taggingResult, wordTags } from "./tagging-evaluation.ts";
import { tokenClassification } from "./token-classification.ts";

const tokenizer = WordPiece.fromVocabulary([
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "un",
  "##do",
  "it",
  "we",
  "now",
]);
const reading = { tokenizer, framing: bertFraming, maxSeqLength: 8, overlap: 2, scheme: "IOB2" } as const;

function source(...sentences: (readonly [words: string, tags: string])[]): TaggedSource {
  return {
    name: "test",
    sentences: async function* (): AsyncGenerator<TaggedSentence> {
      for (const [i, [words, tags]] of sentences.entries()) {
        yield { words: words.split(" "), tags: tags.split(" "), line: i + 1 };
      }
    },
  };
}

describe("windows", () => {
  test("only first pieces are read, and a word without a piece is read as unknown (bug: labels slide by one)", async () => {
    const [window] = await tagWindows(reading, [["we", "undo", "\u0000", "it"]], (_, word) => word);
    // [CLS] we un ##do [UNK] it [SEP]
    expect([...window!.tokens]).toEqual([2, 8, 5, 6, 1, 7, 3]);
    expect([...window!.places]).toEqual([1, 2, 4, 5]);
    expect([...window!.labels]).toEqual([0, 1, 2, 3]);
  });

  test("of a long sentence every word is read once, where it has most context, at its own first piece", async () => {
    const words = Array.from({ length: 23 }, (_, i) => (i % 3 === 0 ? "undo" : "it"));
    const windows = await tagWindows(reading, [words], (_, word) => word);
    expect(windows.length).toBeGreaterThan(3);
    expect(windows.flatMap(({ words: own }) => [...own]).sort((a, b) => a - b)).toEqual([...words.keys()]);
    for (const window of windows) {
      expect(window.tokens.length).toBeLessThanOrEqual(8);
      window.words.forEach((word, i) => {
        expect(window.tokens[window.places[i]!]).toBe(word % 3 === 0 ? 5 : 7);
        expect(window.labels[i]).toBe(word);
      });
    }
  });
});

describe("data", () => {
  test("faulty tags are mended, and tags that training lacks are left out of the loss but not of the figures", async () => {
    const train = await readTagged(source(["we undo it", "O I-x I-x"]), reading);
    expect([train.labels, train.numConverted, train.marksEntities]).toEqual([["B-x", "I-x", "O"], 1, true]);
    const held = await readTagged(source(["it now", "B-y O"]), reading, train.labels);
    expect([...held.windows[0]!.labels]).toEqual([-100, 2]);
    expect(held.unknownTags).toEqual(["B-y"]);
    const outside = Float32Array.of(0, 0, 9);
    const result = taggingResult(held, [[outside, outside]]);
    expect(result.accuracy).toBe(0.5);
    expect(result.entities!.micro).toEqual({ precision: 0, recall: 0, f1: 0, support: 1 });
    expect(result.loss).toBeCloseTo(Math.log(1 + 2 * Math.exp(-9)), 6);
  });

  test("tags of words are kept as they are, whatever they look like; one tag alone is refused", async () => {
    const { labels, numConverted } = await readTagged(source(["we undo", "PRON I-verb"]), reading);
    expect([labels, numConverted]).toEqual([["I-verb", "PRON"], 0]);
    await expect(readTagged(source(["we undo", "X X"]), reading)).rejects.toMatchObject({ code: "LABELS_TOO_FEW" });
  });

  test("a tag that marks nothing among marks is refused by its line (bug: no entity was counted any more, F1 was accuracy)", async () => {
    const odd = source(["we undo", "B-x O"], ["it now", "O OO"]);
    const error = 'line 2: the tag "OO" of the word "now" is neither O nor a mark';
    await expect(readTagged(odd, reading)).rejects.toThrow(error);
    await expect(readTagged(source(["it now", "X Y"]), reading, ["B-x", "I-x", "O"])).rejects.toMatchObject({
      code: "TAG_UNKNOWN",
    });
    const kept = await readTagged(odd, { ...reading, scheme: null });
    expect([kept.labels, kept.marksEntities]).toEqual([["B-x", "O", "OO"], false]);
    // A held-out part without entities is measured in entities all the same.
    const held = await readTagged(source(["it now", "O O"]), reading, ["B-x", "I-x", "O"]);
    expect(held.marksEntities).toBe(true);
  });

  test("windows shorter than the usual overlap have a smaller one (bug: maxSeqLength 32 was refused for the default)", () => {
    const overlapOf = (maxSeqLength: number) => tokenClassification({ tokenizer, maxSeqLength }).settings.overlap;
    expect([128, 32, 5].map(overlapOf)).toEqual([32, 8, 1]);
    expect(() => tokenClassification({ tokenizer, maxSeqLength: 8, overlap: 32 })).toThrow(
      "from 0 to maxSeqLength - 4",
    );
  });
});

test("a packed batch scores each word at its place in its row (bug: places counted from the sentence's start)", async () => {
  const task = tokenClassification({ tokenizer, maxSeqLength: 8, overlap: 2 });
  const { windows } = await task.read(source(["we undo", "A B"], ["now it", "C A"]), { framing: bertFraming });
  const batch = task.collate(
    windows.map((example, item) => ({ example, epoch: 0, item })),
    0,
  );
  const { inputIds, wordPlaces, labels } = batch.tensors;
  const scored = [...labels!.data].flatMap((label, i) =>
    label === -100 ? [] : [[inputIds!.data[wordPlaces!.data[i]!], label]],
  );
  expect(scored).toEqual([
    [8, 0],
    [5, 1],
    [9, 2],
    [7, 0],
  ]);
  expect(batch.counts).toEqual({ words: 4 });
  expect(batch.lists).toEqual({ wordPlaces: { count: 4, beside: { labels: -100 } } });
});

test("tags of several windows come together by word, each with its probability", () => {
  const part = {
    sentence: 0,
    tokens: new Int32Array(3),
    firstStart: 1,
    secondStart: 3,
    secondType: 0,
    truncated: false,
  } as const;
  const window = (words: number[]) => ({
    ...part,
    words: Int32Array.from(words),
    places: new Int32Array(0),
    labels: new Int32Array(0),
    endsSentence: false,
  });
  const tags = wordTags(
    [window([1]), window([0])],
    [[Float32Array.of(0, 2)], [Float32Array.of(3, 0)]],
    ["A", "B"],
    [2],
  );
  expect(tags[0]!.map(({ tag }) => tag)).toEqual(["A", "B"]);
  expect(tags[0]![1]!.probability).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
});

test("options that cannot be are refused together", () => {
  expect(() => tokenClassification({ tokenizer, maxSeqLength: 4, overlap: 9, labels: ["A", "A"] })).toThrow(
    /maxSeqLength[\s\S]*overlap[\s\S]*labels/,
  );
});
