import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NumberCorpora, numberCorpora } from "../../tests/support/number-corpus.ts";
import { Random } from "../base/random.ts";
import { fullRuns } from "./full-runs.ts";
import type { ShardedCorpus } from "./sharded-corpus.ts";

const random = new Random(7, "text");
let next = 0;
/** Sentences of 1 to 9 tokens; one of 40. */
const documents = Array.from({ length: 50 }, (_, d) =>
  Array.from({ length: 1 + (d % 6) }, (_, s) =>
    Array.from({ length: d === 20 && s === 1 ? 40 : 1 + random.nextInt(9) }, () => next++).join(" "),
  ),
);
const SEPARATOR = 999_999;
const sentences = documents.flat().map((sentence) => sentence.split(" ").map(Number));
const sentenceEnds = new Set(sentences.map((sentence) => sentence.at(-1)!));
const documentStarts = new Set(documents.map(([first]) => Number(first!.split(" ")[0])));

let corpora: NumberCorpora;
let corpus: ShardedCorpus;
beforeAll(async () => {
  corpora = await numberCorpora();
  corpus = await corpora.make(documents, 700);
});
afterAll(() => corpora.dispose());

const runsOf = (maxTokens: number, boundary: "token" | "sentence") => {
  const stream = fullRuns(corpus, { maxTokens, boundary, shortSequenceProbability: 0, separator: SEPARATOR });
  return Array.from({ length: stream.numExamples }, (_, i) => stream.example(1, 0, i).a);
};

describe.each([
  ["token", 7],
  ["token", 32],
  ["sentence", 12],
  ["sentence", 32],
] as const)("runs that end after a %s, of at most %d tokens", (boundary, maxTokens) => {
  it("hold every token once and in order, with a separator before each document inside (bug: text lost at shards)", () => {
    expect(corpus.shards.length).toBeGreaterThan(1);
    const seen: number[] = [];
    for (const { tokens, wordStarts } of runsOf(maxTokens, boundary)) {
      expect(tokens.length).toBeLessThanOrEqual(maxTokens);
      tokens.forEach((token, i) => {
        const isSeparator = token === SEPARATOR;
        if (isSeparator) expect(documentStarts.has(tokens[i + 1]!)).toBe(true);
        else if (i > 0) expect(tokens[i - 1] === SEPARATOR).toBe(documentStarts.has(token));
        expect(wordStarts[i]).toBe(Number(i === 0 || isSeparator || token % 3 !== 2));
        if (!isSeparator) seen.push(token);
      });
    }
    expect(seen).toEqual(Array.from({ length: next }, (_, i) => i));
  });

  it("are as full as the rule allows (bug: a run closed at the end of a document)", () => {
    const runs = runsOf(maxTokens, boundary);
    const shardEnds = new Set(corpus.shards.map(({ reader }) => reader.layout.numTokens));
    expect(shardEnds.size).toBeGreaterThan(1);
    let short = 0;
    runs.forEach(({ tokens }, i) => {
      const after = runs[i + 1]?.tokens;
      if (after === undefined) return;
      // What would come next: a separator where a document begins, and the whole sentence or one token.
      const first = after[0]!;
      const sentence = sentences.find((own) => own.includes(first))!;
      const rest = boundary === "token" ? 1 : sentence.length - sentence.indexOf(first);
      if (tokens.length + rest + Number(documentStarts.has(first)) <= maxTokens) short++;
      if (boundary === "sentence" && tokens.length < maxTokens) expect(sentenceEnds.has(tokens.at(-1)!)).toBe(true);
    });
    // The last run of a shard.
    expect(short).toBeLessThan(corpus.shards.length);
  });
});

it("refuses runs without room for a token (bug: an endless search for a place)", () => {
  for (const maxTokens of [0, -1, 2.5, Number.NaN]) {
    expect(() => fullRuns(corpus, { maxTokens, separator: SEPARATOR })).toThrow(
      /maxTokens must be an integer of at least 1/,
    );
  }
});

it("shortens as often as asked", () => {
  const stream = fullRuns(corpus, { maxTokens: 4, shortSequenceProbability: 1, separator: SEPARATOR });
  const lengths = Array.from({ length: stream.numExamples }, (_, i) => {
    const { tokens } = stream.example(1, 0, i).a;
    return tokens.filter((token) => token !== SEPARATOR).length;
  });
  expect([...new Set(lengths)].sort()).toEqual([1, 2, 3, 4]);
});
