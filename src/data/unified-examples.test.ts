import { afterAll, beforeAll, expect, it } from "vitest";
import { type NumberCorpora, numberCorpora } from "../../tests/support/number-corpus.ts";
import { Random } from "../base/random.ts";
import type { ReadingOrder } from "./segment.ts";
import type { ShardedCorpus } from "./sharded-corpus.ts";
import { unifiedExamples } from "./unified-examples.ts";

const random = new Random(5, "text");
const documents = Array.from({ length: 60 }, (_, d) => {
  let place = 0;
  return Array.from({ length: 2 + (d % 20) }, () =>
    Array.from({ length: 1 + random.nextInt(9) }, () => d * 1000 + place++).join(" "),
  );
});

let corpora: NumberCorpora;
let corpus: ShardedCorpus;
beforeAll(async () => {
  corpora = await numberCorpora();
  corpus = await corpora.make(documents);
});
afterAll(() => corpora.dispose());

const isRun = (tokens: ArrayLike<number>) =>
  Array.from(tokens).every((id, i, all) => i === 0 || id === all[i - 1]! + 1);

it("reading orders have their shares; runs are whole, source and target are of one document, and half of B is not A's next (bug: a gap in the middle of a run)", () => {
  const mixture = { bidirectional: 1 / 3, sequenceToSequence: 1 / 3, leftToRight: 1 / 6, rightToLeft: 1 / 6 };
  const stream = unifiedExamples(corpus, { maxTokens: 24, mixture });
  const counts = new Map<ReadingOrder, number>();
  let [total, next] = [0, 0];
  for (let epoch = 0; epoch < 20; epoch++) {
    for (let i = 0; i < stream.numExamples; i++) {
      const { a, b, readingOrder, isNext } = stream.example(1, epoch, i);
      const order = readingOrder!;
      total++;
      counts.set(order, (counts.get(order) ?? 0) + 1);
      expect(a.tokens.length + (b?.tokens.length ?? 0)).toBeLessThanOrEqual(24);
      expect(isRun(a.tokens)).toBe(true);
      if (order === "leftToRight" || order === "rightToLeft") {
        expect([b, isNext]).toEqual([undefined, undefined]);
        expect(a.tokens.length).toBeGreaterThan(1);
        continue;
      }
      expect(isRun(b!.tokens)).toBe(true);
      const sameDocument = Math.floor(a.tokens[0]! / 1000) === Math.floor(b!.tokens[0]! / 1000);
      if (order === "sequenceToSequence") {
        expect(isNext).toBe(undefined);
        expect(sameDocument && b!.tokens[0]! > a.tokens.at(-1)!).toBe(true);
      } else {
        expect(sameDocument).toBe(isNext);
        next += Number(isNext);
      }
    }
  }
  for (const [order, share] of Object.entries(mixture) as [ReadingOrder, number][]) {
    const bound = 5 * Math.sqrt(total * share * (1 - share));
    expect(Math.abs((counts.get(order) ?? 0) - share * total), order).toBeLessThan(bound);
  }
  const pairs = counts.get("bidirectional")!;
  expect(Math.abs(next - pairs / 2)).toBeLessThan(2.5 * Math.sqrt(pairs));
  expect(stream.example(1, 3, 5)).toEqual(stream.example(1, 3, 5));
});
