import { afterAll, describe, expect, test } from "vitest";
import { randomWeights } from "../../tests/support/random-model.ts";
import { runForward, tinyBart } from "../../tests/support/tiny-bart.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { divideBatch } from "../train/divide-batch.ts";
import { pairBatch, type SequencePair, targetLogits } from "./target-rows.ts";

const backend = createReferenceBackend();
afterAll(() => backend.dispose());

const random = new Random(1, "pairs");
const words = (length: number): Int32Array => Int32Array.from({ length }, () => 5 + random.nextInt(19));

function pair(sourceLength: number, targetLength: number, firstPosition = 0): SequencePair {
  const labels = words(targetLength);
  return {
    source: { tokens: words(sourceLength), tokenTypeIds: new Int32Array(sourceLength) },
    target: { inputs: words(targetLength), labels, firstPosition },
  };
}

const options = { padId: 0, packed: true, maxSeqLength: 32 };
const asBatch = ({ numAnswered, ...rest }: ReturnType<typeof pairBatch>, numSequences: number): Batch => ({
  ...rest,
  counts: { targetTokens: numAnswered },
  numSequences,
});
const values = (batch: Batch, name: string): number[] => [...(batch.tensors[name]!.data as Int32Array)];

describe("rows of pairs", () => {
  test("a target has its own first position, and places without an answer are not listed", () => {
    const [first, second] = [pair(6, 3, 4), pair(5, 4)];
    first!.target.labels[1] = UNSCORED;
    const batch = asBatch(pairBatch([first!, second!], options), 2);
    expect(batch.counts.targetTokens).toBe(6);
    const places = values(batch, "targetPlaces").slice(0, 6);
    const positions = values(batch, "targetPositionIds");
    expect(places.map((place) => positions[place])).toEqual([4, 6, 0, 1, 2, 3]);
    const inputs = values(batch, "targetInputIds");
    const { inputs: given } = first!.target;
    expect(places.slice(0, 2).map((place) => inputs[place])).toEqual([given[0], given[2]]);
    expect(values(batch, "targetLabels").filter((label) => label !== UNSCORED)).toHaveLength(6);
  });

  test("each side is nearly as narrow as its tokens allow, in few widths (bug: targets as wide as their sources)", () => {
    const shapes = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const pairs = Array.from({ length: 24 }, () => pair(8 + random.nextInt(17), 2 + random.nextInt(5)));
      const { tensors, numTokens, numPlaces } = pairBatch(pairs, options);
      const [rows, source] = tensors.inputIds.shape as [number, number];
      const target = tensors.targetInputIds.shape[1]!;
      expect(target).toBeLessThanOrEqual(0.7 * source);
      expect(numTokens / numPlaces).toBeGreaterThan(0.75);
      shapes.add(`${rows} ${source} ${target}`);
    }
    expect(shapes.size).toBeLessThan(20);
  });

  test("a target longer than its source fits (bug: rows chosen by sources only)", () => {
    const { tensors } = pairBatch([pair(2, 30), pair(3, 31), pair(30, 2)], options);
    expect(tensors.targetInputIds.shape[1]).toBeGreaterThanOrEqual(31);
    expect(tensors.inputIds.shape[0]).toBe(tensors.targetInputIds.shape[0]);
  });
});

test("a batch divided by rows has the scores of the whole (bug: places counted in rows of the sources' width)", async () => {
  const pairs = Array.from({ length: 12 }, () => pair(4 + random.nextInt(9), 2 + random.nextInt(5)));
  const batch = asBatch(pairBatch(pairs, { ...options, packed: false }), pairs.length);
  const model = tinyBart();
  const logitsOf = async (given: Batch) => {
    const run = (...[context, tensors]: Parameters<Parameters<typeof runForward>[4]>) => ({
      logits: targetLogits(model, context, tensors),
    });
    return (await runForward(backend, model, randomWeights(model), given, run)).logits!;
  };
  const whole = await logitsOf(batch);
  const parts = divideBatch(batch, 2);
  expect(parts).toHaveLength(2);
  let compared = 0;
  for (const part of parts) {
    const logits = await logitsOf(part);
    const size = logits.length / part.tensors.targetPlaces!.shape[0]!;
    const items = values(part, "laneItems.targetPlaces");
    for (let i = 0; i < part.lists!.targetPlaces!.count; i++) {
      const own = logits.slice(i * size, (i + 1) * size);
      const theirs = whole.slice(items[i]! * size, (items[i]! + 1) * size);
      expect(own.every((x, k) => Math.abs(x - theirs[k]!) < 1e-9)).toBe(true);
      compared++;
    }
  }
  expect(compared).toBe(batch.counts.targetTokens);
});
