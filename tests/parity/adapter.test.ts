/** @file Adapters that peft wrote, as peft computes them (tools/golden/adapters.py). */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Batch } from "../../src/data/batch.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { familyOf } from "../../src/models/families.ts";
import type { ClassificationModel } from "../../src/models/model.ts";
import { classificationLogits } from "../../src/tasks/text-classification.ts";
import { engines } from "../support/backends.ts";
import { forwardNumbers } from "../support/causal-parity.ts";
import { relativeDifference } from "../support/close.ts";

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));

/** The fixture's padded rows as a batch of one sequence a row, with the places of first and last tokens. */
async function fixtureBatch(folder: string): Promise<{ readonly batch: Batch; readonly logits: Float32Array }> {
  const expected = await openSafetensors(join(folder, "expected.safetensors"));
  const integers = async (name: string) => (await expected.read(name)).data as Int32Array;
  const [rows, width] = expected.info("input_ids").shape as [number, number];
  const mask = await integers("attention_mask");
  const matrix = (data: Int32Array) => ({ dtype: "i32" as const, shape: [rows, width], data });
  const list = (place: (row: number) => number) => {
    const data = Int32Array.from({ length: rows }, (_, row) => row * width + place(row));
    return { dtype: "i32" as const, shape: [rows], data };
  };
  const lengths = Array.from({ length: rows }, (_, row) => {
    return mask.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0);
  });
  const tensors = {
    inputIds: matrix(await integers("input_ids")),
    sequenceIds: matrix(mask),
    positionIds: matrix(Int32Array.from({ length: rows * width }, (_, i) => i % width)),
    tokenTypeIds: matrix(await integers("token_type_ids")),
    firstTokens: list(() => 0),
    lastTokens: list((row) => lengths[row]! - 1),
  };
  const logits = (await expected.read("logits")).data as Float32Array;
  await expected.close();
  return { batch: { tensors, counts: {}, numSequences: rows, numTokens: 0, numPlaces: rows * width }, logits };
}

describe.each(engines)("LoRA of peft on $title", ({ open, tolerance, missing }) => {
  const bugs = "A and B exchanged, a scaling that ignores patterns, Conv1D read the other way";
  it.skipIf(missing !== undefined).each(["bert", "gpt2"])(`%s (bug: ${bugs})`, async (name) => {
    const folder = join(fixtures, name, "lora");
    const loaded = await (await familyOf(folder)).loadAny(folder, 0);
    expect(loaded).toMatchObject({ newParameters: [], labels: ["negative", "neutral", "positive"] });
    const model = loaded.module as ClassificationModel;
    const { batch, logits } = await fixtureBatch(folder);
    const backend = await open();
    try {
      const results = await forwardNumbers(backend, loaded, batch, (context, tensors) => ({
        logits: classificationLogits(model, context, tensors),
      }));
      expect(relativeDifference(results.logits!, logits)).toBeLessThan(tolerance);
    } finally {
      await backend.dispose();
    }
  });
});
