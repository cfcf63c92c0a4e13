import { afterAll, describe, expect, test } from "vitest";
import { engines } from "../../tests/support/backends.ts";
import type { Backend } from "../backend/backend.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { FixedWeights } from "../train/fixed-weights.ts";
import { FeedProgram } from "./feed-program.ts";
import { rowMoves } from "./key-value-cache.ts";
import { writingNetwork } from "./network.ts";
import { MASK, plainNext, type TestKind, testModel, testPrompt } from "./testing.ts";
import { type WritingPrompt, WritingRows } from "./writing-rows.ts";

const reference = createReferenceBackend();
const opened = new Map<string, Backend>();
for (const { name, open, missing } of engines) if (missing === undefined) opened.set(name, await open());
afterAll(async () => {
  await reference.dispose();
  for (const backend of opened.values()) await backend.dispose();
});

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Number.POSITIVE_INFINITY);

const extended = ({ source, tokens }: WritingPrompt, more: readonly number[]): WritingPrompt => ({
  source,
  tokens: Int32Array.of(...tokens, ...more),
});

describe.each(["gpt", "bart", "unilm"] as const)("%s", (kind: TestKind) => {
  test.for(engines)("kept keys and values change nothing, $title", async ({ name, missing }, { skip }) => {
    const backend = opened.get(name);
    if (backend === undefined) return skip(missing);
    const tolerance = name === "reference" ? 1e-6 : 1e-5;
    const tested = testModel(kind);
    const network = writingNetwork(tested.model, { maskId: MASK });
    const store = new FixedWeights(backend, tested.model, tested.weights);
    const program = new FeedProgram({ backend, store, network, policy: { compute: "f32" } });
    // Rows of different lengths and sources, three of them in a bucket of three, then four, then two.
    let texts = [testPrompt(kind, 1, 9, 3), testPrompt(kind, 2, 4, 11), testPrompt(kind, 3, 6, 1)];
    const rows = await WritingRows.begin(program, texts, 90);
    const check = async (): Promise<void> => {
      for (const [row, text] of texts.entries()) {
        const plain = await plainNext(reference, kind, tested, text);
        expect(largestDifference(rows.logits(row), plain), `row ${row}`).toBeLessThan(tolerance);
      }
    };
    const feed = async (fed: readonly number[][]): Promise<void> => {
      await rows.feed(fed);
      texts = texts.map((text, row) => extended(text, fed[row]!));
      await check();
    };
    await check();
    await feed([[5], [6], [7]]);
    await feed([[8, 9, 10], [11], [12, 13]]);
    // A ring, a row read twice, a row that ends: what a search does with its rows.
    const parents = [1, 0, 1, 2];
    rows.select(parents);
    texts = parents.map((parent) => texts[parent]!);
    await check();
    await feed([[14], [15], [16], [17]]);
    rows.select([3, 1]);
    texts = [texts[3]!, texts[1]!];
    await feed([[18], [19]]);
    // Past the first bucket of 64.
    if (kind === "gpt") await feed([Array.from({ length: 70 }, (_, i) => 5 + (i % 30)), [20]]);
    rows.dispose();
    await program.dispose();
    store.dispose();
  });
});

test("rows move in an order in which none is written before it is read", () => {
  for (const parents of [
    [1, 0],
    [1, 2, 0, 3],
    [1, 0, 0, 1],
    [0, 0, 0, 0],
    [3, 2, 1, 0],
    [2, 0, 1, 4, 5, 3, 0],
    [0, 1],
    [3, 3],
  ]) {
    const rows = Array.from({ length: 8 }, (_, row) => row);
    let aside = -1;
    for (const { from, to } of rowMoves(parents)) {
      const moved = from === -1 ? aside : rows[from]!;
      if (to === -1) aside = moved;
      else rows[to] = moved;
    }
    expect(rows.slice(0, parents.length)).toEqual(parents);
  }
});
