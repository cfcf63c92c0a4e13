import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NumberCorpora, numberCorpora } from "../../tests/support/number-corpus.ts";
import { Random } from "../base/random.ts";
import { tokenChunks } from "./chunk-index.ts";
import type { TokenSegment } from "./segment.ts";
import { nextSentencePairs, sentenceOrderPairs, textRuns, truncatePair } from "./segment-pairs.ts";
import type { ShardedCorpus } from "./sharded-corpus.ts";

/** Token ids tell their place: document · 1000 + place in it. Sentences have 1 to 9 tokens. */
function corpusText(numDocuments: number, sentencesOf: (document: number) => number): string[][] {
  const random = new Random(5, "text");
  return Array.from({ length: numDocuments }, (_, d) => {
    let place = 0;
    return Array.from({ length: sentencesOf(d) }, () =>
      Array.from({ length: 1 + random.nextInt(9) }, () => d * 1000 + place++).join(" "),
    );
  });
}

let corpora: NumberCorpora;
let corpus: ShardedCorpus;
const text = corpusText(120, (d) => 1 + (d % 40));
beforeAll(async () => {
  corpora = await numberCorpora();
  corpus = await corpora.make(text, 3000);
});
afterAll(() => corpora.dispose());

const documentOf = (segment: TokenSegment) => Math.floor(segment.tokens[0]! / 1000);
const isRun = (tokens: ArrayLike<number>) =>
  Array.from(tokens).every((id, i, all) => i === 0 || id === all[i - 1]! + 1);

describe("textRuns", () => {
  it("covers every token exactly once without shortening (bug: chunks overlap or drop the tail of a document)", () => {
    const stream = textRuns(corpus, { boundary: "sentence", maxTokens: 30, shortSequenceProbability: 0 });
    const seen: number[] = [];
    for (let i = 0; i < stream.numExamples; i++) {
      const { tokens } = stream.example(1, 0, i).a;
      expect(tokens.length).toBeLessThanOrEqual(30);
      expect(isRun(tokens)).toBe(true);
      seen.push(...tokens);
    }
    expect(seen).toEqual(text.flat().flatMap((sentence) => sentence.split(" ").map(Number)));
    // Sentences have at most 9 tokens, so all but the last chunk of a document hold at least 22.
    expect(tokenChunks(corpus, 30, "sentence").lengths.filter((length) => length >= 22).length).toBeGreaterThan(300);
  });

  it("cuts a sentence longer than an example into pieces (bug: its rest is lost)", () => {
    const lengths = [...tokenChunks(corpus, 4, "sentence").lengths];
    expect(lengths.reduce((a, b) => a + b, 0)).toBe(corpus.numTokens);
    expect(Math.max(...lengths)).toBe(4);
  });

  it("shortens one example in ten to a uniform length (bug: probability of the complement)", () => {
    const stream = textRuns(corpus, { boundary: "sentence", maxTokens: 30 });
    const plain = textRuns(corpus, { boundary: "sentence", maxTokens: 30, shortSequenceProbability: 0 });
    let shorter = 0;
    let total = 0;
    for (let epoch = 0; epoch < 10; epoch++) {
      for (let i = 0; i < stream.numExamples; i++) {
        const full = plain.example(1, epoch, i).a.tokens.length;
        if (full < 22) continue;
        total++;
        if (stream.example(1, epoch, i).a.tokens.length < full) shorter++;
      }
    }
    // Of the tenth drawn, at least 21/30 and at most 29/30 are shorter than the chunk; bounds widened by 5 deviations.
    const deviation = 5 * Math.sqrt(total * 0.1 * 0.9);
    expect(shorter).toBeGreaterThan(0.07 * total - deviation);
    expect(shorter).toBeLessThan(0.0967 * total + deviation);
  });

  it("keeps word starts beside their tokens, the first always one (bug: bits shifted by a byte's rest)", () => {
    const stream = textRuns(corpus, { boundary: "sentence", maxTokens: 13 });
    for (let i = 0; i < stream.numExamples; i += 3) {
      const { tokens, wordStarts } = stream.example(1, 0, i).a;
      const expected = Array.from(tokens, (id, k) => (k === 0 || id % 3 !== 2 ? 1 : 0));
      expect([...wordStarts]).toEqual(expected);
    }
  });

  it("says where sentences begin when asked, its first token included (bug: starts of another document or shard)", () => {
    const starting = new Set(text.flat().map((sentence) => Number(sentence.split(" ")[0])));
    for (const boundary of ["sentence", "token"] as const) {
      const stream = textRuns(corpus, { boundary, maxTokens: 50, sentenceStarts: true });
      let inner = 0;
      for (let i = 0; i < stream.numExamples; i++) {
        const { tokens, sentenceStarts } = stream.example(1, 0, i).a;
        const expected = [...tokens.keys()].filter((place) => place === 0 || starting.has(tokens[place]!));
        expect([...sentenceStarts!]).toEqual(expected);
        inner += expected.length - 1;
      }
      expect(inner).toBeGreaterThan(1000);
    }
    expect(corpus.shards.length).toBeGreaterThan(1);
  });
});

describe("nextSentencePairs", () => {
  it("labels half the pairs next, and labels them truly (bug: random B from the same document)", () => {
    const stream = nextSentencePairs(corpus, { maxTokens: 40, shortSequenceProbability: 0 });
    let next = 0;
    let total = 0;
    const others = new Set<number>();
    for (let epoch = 0; epoch < 10; epoch++) {
      for (let i = 0; i < stream.numExamples; i++) {
        const { a, b, isNext } = stream.example(7, epoch, i);
        expect(a.tokens.length + b!.tokens.length).toBeLessThanOrEqual(40);
        expect(Math.min(a.tokens.length, b!.tokens.length)).toBeGreaterThan(0);
        expect(isRun(a.tokens) && isRun(b!.tokens)).toBe(true);
        expect(documentOf(a) === documentOf(b!)).toBe(isNext);
        if (isNext === true) expect(b!.tokens[0]!).toBeGreaterThan(a.tokens.at(-1)!);
        else others.add(documentOf(b!));
        total++;
        if (isNext === true) next++;
      }
    }
    expect(Math.abs(next - total / 2)).toBeLessThan((5 * Math.sqrt(total)) / 2);
    // Every document can be a wrong continuation, the first and the last too.
    expect(others.size).toBe(120);
  });

  it("is a pure function of seed, epoch and index (bug: a shared generator, so a resume differs)", () => {
    const draw = (seed: number, epoch: number) => {
      const stream = nextSentencePairs(corpus, { maxTokens: 40 });
      return [30, 4, 50].map((i) => stream.example(seed, epoch, i));
    };
    const stream = nextSentencePairs(corpus, { maxTokens: 40 });
    stream.example(7, 0, 0);
    expect([30, 4, 50].map((i) => stream.example(7, 3, i))).toEqual(draw(7, 3));
    expect(draw(7, 3)).not.toEqual(draw(7, 4));
    expect(draw(7, 3)).not.toEqual(draw(8, 3));
  });

  it("refuses one document, and documents of one sentence (bug: mislabelled pairs)", async () => {
    const one = await corpora.make([["1 2 3", "4 5 6"]]);
    expect(() => nextSentencePairs(one, { maxTokens: 20 })).toThrow(/needs two documents.*got 1/);
    expect(sentenceOrderPairs(one, { maxTokens: 20 }).numExamples).toBe(1);
    const single = await corpora.make([["1 2 3"], ["4 5 6"]]);
    expect(() => nextSentencePairs(single, { maxTokens: 20 })).toThrow(/two sentences/);
  });
});

describe("sentenceOrderPairs", () => {
  it("exchanges half the pairs and says so (bug: label inverted)", () => {
    const stream = sentenceOrderPairs(corpus, { maxTokens: 40 });
    let swapped = 0;
    let total = 0;
    for (let epoch = 0; epoch < 10; epoch++) {
      for (let i = 0; i < stream.numExamples; i++) {
        const { a, b, isSwapped } = stream.example(7, epoch, i);
        expect(documentOf(a)).toBe(documentOf(b!));
        expect(a.tokens[0]! > b!.tokens[0]!).toBe(isSwapped);
        total++;
        if (isSwapped === true) swapped++;
      }
    }
    expect(Math.abs(swapped - total / 2)).toBeLessThan((5 * Math.sqrt(total)) / 2);
  });
});

describe("truncatePair", () => {
  const long = (length: number, from: number): TokenSegment => ({
    tokens: Int32Array.from({ length }, (_, i) => from + i),
    wordStarts: new Uint8Array(length).fill(1),
  });

  it("takes from the longer, at both ends (bug: always from the back, or from A)", () => {
    const fronts = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const { a, b } = truncatePair(long(30, 0), long(6, 100), 20, new Random(seed));
      expect([...b.tokens]).toEqual([...long(6, 100).tokens]);
      expect(a.tokens.length).toBe(14);
      expect(isRun(a.tokens)).toBe(true);
      fronts.add(a.tokens[0]!);
    }
    // 16 tokens go; the number from the front is binomial(16, ½): 8 ± 2.
    expect(fronts.size).toBeGreaterThan(4);
    expect(Math.max(...fronts)).toBeLessThan(16);
    const even = truncatePair(long(30, 0), long(30, 100), 21, new Random(1));
    expect([even.a.tokens.length, even.b.tokens.length].sort()).toEqual([10, 11]);
  });
});

it("fills every run but a document's last when sentences may be cut, losing no token", () => {
  const stream = textRuns(corpus, { maxTokens: 7, shortSequenceProbability: 0 });
  const lengths = Array.from({ length: stream.numExamples }, (_, i) => stream.example(0, 0, i).a.tokens.length);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(corpus.numTokens);
  expect(lengths.filter((length) => length < 7).length).toBeLessThanOrEqual(corpus.numDocuments);
});
