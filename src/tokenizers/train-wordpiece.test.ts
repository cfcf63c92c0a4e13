import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { library } from "./library.ts";
import { type LearnOptions, learnMerges } from "./merge-learner.ts";
import type { TrainProgress } from "./train-progress.ts";
import { trainWordPiece } from "./train-wordpiece.ts";
import { countWords } from "./word-count.ts";
import { WordSplitter } from "./word-splitter.ts";
import { WordPiece } from "./wordpiece.ts";
import {
  type ResolvedWordPieceTraining,
  resolveWordPieceTraining,
  type WordPieceTrainOptions,
} from "./wordpiece-option.ts";

interface Fixture {
  readonly trainer: {
    readonly vocab_size?: number;
    readonly min_frequency?: number;
    readonly limit_alphabet?: number;
    readonly initial_alphabet?: string[];
    readonly special_tokens: string[];
    readonly continuing_subword_prefix?: string;
  };
  readonly normalizer: Readonly<Record<string, boolean | null>>;
  readonly texts: string[];
  readonly continuing: string;
  readonly words: number;
  readonly tokens: string;
}

/** Options under our names; `undefined` values are left out. */
function optionsOf({ trainer, normalizer }: Fixture): WordPieceTrainOptions {
  const entries: [keyof WordPieceTrainOptions, unknown][] = [
    ["vocabSize", trainer.vocab_size],
    ["minFrequency", trainer.min_frequency],
    ["limitAlphabet", trainer.limit_alphabet],
    ["initialAlphabet", trainer.initial_alphabet],
    ["specialTokens", trainer.special_tokens],
    ["continuingSubwordPrefix", trainer.continuing_subword_prefix],
    ["lowercase", normalizer.lowercase],
    ["stripAccents", normalizer.strip_accents ?? undefined],
    ["cleanText", normalizer.clean_text],
    ["handleChineseChars", normalizer.handle_chinese_chars],
  ];
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

const learning = (options: ResolvedWordPieceTraining): LearnOptions => ({
  ...options,
  where: "wordpiece.train",
  endOfWordSuffix: "",
});

const fixtures = new URL("fixtures/", import.meta.url);

describe("vocabulary of the Rust trainer", () => {
  const names = readdirSync(fixtures).filter((name) => name.startsWith("trained-"));

  for (const name of names) {
    it(`${name}: same tokens, same ids (catches a wrong tie, a stale pair count, a lost overlap)`, async () => {
      const fixture = JSON.parse(readFileSync(new URL(name, fixtures), "utf8")) as Fixture;
      const options = resolveWordPieceTraining(optionsOf(fixture));
      const words = await countWords(fixture.texts, new WordSplitter(options));
      expect(words.size).toBe(fixture.words);
      // The order of continuing characters is chance in the Rust trainer: repeat the one it had.
      const order = [...fixture.continuing].map((character) => options.continuingSubwordPrefix + character);
      expect(learnMerges(words, learning(options), order).tokens.join(" ")).toBe(fixture.tokens);
    });
  }

  it("has fixtures", () => expect(names.length).toBe(15));

  it("agrees with the trainer of the npm library on a file (catches lines joined into words)", async () => {
    const folder = await mkdtemp(join(tmpdir(), "firth-trainer-"));
    try {
      const file = createRequire(import.meta.url).resolve("typescript/README.md");
      const text = readFileSync(file, "utf8").repeat(2);
      await writeFile(join(folder, "text.txt"), text);
      const { Tokenizer, WordPiece: Model, bertNormalizer, bertPreTokenizer } = library();
      const rust = new Tokenizer(Model.init({ "[UNK]": 0 }, {}));
      rust.setNormalizer(bertNormalizer({}));
      rust.setPreTokenizer(bertPreTokenizer());
      rust.train([join(folder, "text.txt")]);
      const ids = Object.entries(rust.getVocab()).sort(([, a], [, b]) => a - b);
      const theirs = ids.map(([token]) => token);
      const words = await countWords(text.split("\n"), new WordSplitter(resolveWordPieceTraining({})));
      const order = theirs.filter((token) => /^##.$/u.test(token));
      const options = { ...resolveWordPieceTraining({}), specialTokens: [] };
      expect(learnMerges(words, learning(options), order).tokens).toEqual(theirs);
      expect(theirs.length).toBeGreaterThan(500);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("trainWordPiece", () => {
  it("orders characters inside words by code point, whatever the order of the texts", async () => {
    const tokens = await trainWordPiece(["bca acb", "xay"], { vocabSize: 15 });
    expect(tokens.slice(0, 5)).toEqual(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
    expect(tokens.slice(5)).toEqual(["a", "b", "c", "x", "y", "##a", "##b", "##c", "##y", "ac"]);
    const reversed = await trainWordPiece(["xay", "acb bca"], { vocabSize: 15 });
    expect(reversed).toEqual(tokens);
  });

  it("reads iterators that are not arrays, and reports progress up to the size asked for", async () => {
    const seen: TrainProgress[] = [];
    async function* lines(): AsyncGenerator<string> {
      for (let i = 0; i < 300; i++) yield `item${i} items reitemized ${i * 7919}`;
    }
    const tokens = await trainWordPiece(lines(), { vocabSize: 120, onProgress: (progress) => seen.push(progress) });
    expect(tokens.length).toBe(120);
    expect(seen[0]).toEqual({ phase: "count", done: 300, total: undefined });
    expect(seen.at(-1)).toEqual({ phase: "merge", done: 120, total: 120 });
  });

  it("says the size that the alphabet needs", async () => {
    await expect(trainWordPiece(["abc"], { vocabSize: 9 })).rejects.toMatchObject({
      name: "ConfigError",
      code: "TOKENIZER_VOCAB_TOO_SMALL",
      message: expect.stringMatching(/got 9, needs 10 .*at least 10/),
    });
    expect((await trainWordPiece(["abc"], { vocabSize: 10 })).length).toBe(10);
  });

  it("refuses texts without words, unknown options and values out of range, all at once", async () => {
    await expect(trainWordPiece([" ", "\n"])).rejects.toMatchObject({ name: "DataError", code: "TOKENIZER_NO_TEXT" });
    const wrong = { vocabsize: 5, minFrequency: -1, limitAlphabet: 0.5 } as WordPieceTrainOptions;
    await expect(trainWordPiece(["a"], wrong)).rejects.toThrow(/vocabSize[\s\S]*minFrequency[\s\S]*limitAlphabet/);
    await expect(trainWordPiece(["a"], { specialTokens: ["[PAD]"] })).rejects.toMatchObject({
      code: "TOKENIZER_UNK_MISSING",
    });
  });

  it("makes tokenizers that spell all they were trained on (catches a model without its own alphabet)", async () => {
    const texts = ["Ünïcode — 日本語 text", "straße 😀 x𠀀y", "plain words, plainly"];
    const tokenizer = await WordPiece.train(texts, { vocabSize: 90 });
    for (const { ids } of await tokenizer.encodeBatch(texts)) expect([...ids]).not.toContain(tokenizer.special.unk);
    expect(tokenizer.vocabSize).toBeLessThanOrEqual(90);
  });
});

describe("WordSplitter", () => {
  const options = [
    { cleanText: true, handleChineseChars: true, lowercase: true, stripAccents: true },
    { cleanText: false, handleChineseChars: false, lowercase: true, stripAccents: true },
    { cleanText: true, handleChineseChars: true, lowercase: false, stripAccents: false },
    { cleanText: false, handleChineseChars: true, lowercase: true, stripAccents: false },
  ];
  for (const option of options) {
    it(`splits as the library does with ${JSON.stringify(option)} (catches a newer table of Unicode)`, () => {
      const splitter = new WordSplitter(option);
      const { bertNormalizer, bertPreTokenizer } = library();
      const normalizer = bertNormalizer(option);
      const preTokenizer = bertPreTokenizer();
      const check = (text: string): void => {
        const words: string[] = [];
        splitter.forEachWord(text, (word) => words.push(word));
        const expected = preTokenizer.preTokenizeString(normalizer.normalizeString(text)).map(([word]) => word);
        expect(words, JSON.stringify(text)).toEqual(expected);
      };
      // Every code point, 64 at a time, between letters.
      for (let from = 0; from < 0x110000; from += 64) {
        // Long runs of one kind (ideographs, Hangul, unassigned) are looked at here and there only.
        const uniform = [0x3500, 0x9f00, 0xad00, 0xd700, 0x12000, 0x1d000, 0x20000, 0xe0000, 0xe0200, 0x110000];
        if (uniform.findLastIndex((edge) => edge <= from) % 2 === 0 && from % 0x1000 !== 0) continue;
        let text = "";
        for (let point = from; point < from + 64; point++) text += `b${String.fromCodePoint(point)}C`;
        check(text);
      }
      const marks = fc.constantFrom(
        "\u0301",
        "\u0323",
        "\u302e",
        "\u1d165",
        "\u0345",
        "\u0f71",
        "a",
        "é",
        "が",
        "ạ̈",
        " ",
      );
      fc.assert(
        fc.property(fc.array(marks, { maxLength: 8 }), (parts) => check(parts.join(""))),
        { numRuns: 300 },
      );
    });
  }
});
