import { expect, test } from "vitest";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import { FixedWeights } from "../train/fixed-weights.ts";
import { FeedProgram } from "./feed-program.ts";
import { writingNetwork } from "./network.ts";
import { testModel, testPrompt } from "./testing.ts";
import { WritingRows } from "./writing-rows.ts";

const backend = createReferenceBackend({ precision: "f32" });
const { model, weights } = testModel("gpt");
const network = writingNetwork(model);

async function scores(stored: ComputeDType): Promise<Float32Array> {
  const store = new FixedWeights(backend, model, weights, "none", stored);
  const program = new FeedProgram({ backend, store, network, policy: { compute: "bf16" } });
  const rows = await WritingRows.begin(program, [testPrompt("gpt", 1, 0, 5)], 20);
  await rows.feed([[7]]);
  const result = rows.logits(0).slice();
  // Kept keys and values are what the network computes in.
  expect(program.layout.dtype).toBe("bf16");
  rows.dispose();
  await program.dispose();
  store.dispose();
  return result;
}

test("weights that lie in bf16 give what those converted in every run give, bit for bit", async () => {
  const [stored, converted] = [await scores("bf16"), await scores("f32")];
  expect(stored).toEqual(converted);
  expect(stored.some((x) => x !== 0)).toBe(true);
});

test("a model that cannot write is refused by name", () => {
  const { encoder } = model;
  expect(() => writingNetwork({ isModule: true, encoder })).toThrow(
    expect.objectContaining({ code: "MODEL_CANNOT_WRITE" }),
  );
  const reader = testModel("unilm").model;
  expect(() => writingNetwork(reader)).toThrow(/\[MASK\]/);
});
