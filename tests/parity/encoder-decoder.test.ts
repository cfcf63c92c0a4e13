/** @file What neither packing nor lanes may change in an encoder–decoder: losses and gradients, dropout included. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import { Random } from "../../src/base/random.ts";
import type { Batch } from "../../src/data/batch.ts";
import type { PretrainingExample } from "../../src/data/segment.ts";
import type { ComputeDType } from "../../src/ir/dtype.ts";
import type { PretrainingModel } from "../../src/models/model.ts";
import { denoising } from "../../src/objectives/denoising.ts";
import { maskedSequenceToSequence } from "../../src/objectives/masked-sequence-to-sequence.ts";
import type { Drawn, PretrainingObjective } from "../../src/objectives/objective.ts";
import { oneDnn } from "../support/backends.ts";
import { firstStep, randomWeights } from "../support/random-model.ts";
import { tinyBart } from "../support/tiny-bart.ts";
import { numWords, tinyTokenizer } from "../support/tiny-run.ts";

let backend: Backend;
beforeAll(async () => {
  backend = await createOnnxBackend({ threads: 2 });
});
afterAll(() => backend.dispose());

const random = new Random(5, "texts");
const drawn = Array.from({ length: 14 }, (_, item): Drawn<PretrainingExample> => {
  const tokens = Int32Array.from({ length: 3 + random.nextInt(18) }, () => 5 + random.nextInt(numWords));
  const a = { tokens, wordStarts: new Uint8Array(tokens.length).fill(1), sentenceStarts: Uint32Array.of(0, 2) };
  return { example: { a }, epoch: 0, item };
});
const objectives: Readonly<Record<string, (packed: boolean) => PretrainingObjective>> = {
  denoising: (packed) => denoising({ tokenizer: tinyTokenizer, maxSeqLength: 24, packed }),
  "masked sequence to sequence": (packed) =>
    maskedSequenceToSequence({ tokenizer: tinyTokenizer, maxSeqLength: 24, packed }),
};

interface Place {
  readonly lanes?: 1 | 2;
  readonly engine?: Backend;
  readonly compute?: ComputeDType;
}

/** Loss and gradients of one step over a batch. */
async function measure(
  loss: PretrainingObjective["loss"],
  batch: Batch,
  dropout: number,
  { lanes = 1, engine = backend, compute = "f32" }: Place = {},
) {
  const model: PretrainingModel = tinyBart({
    ...{ hiddenDropoutProb: dropout, attentionProbsDropoutProb: dropout, activationDropoutProb: dropout },
  });
  return firstStep({ backend: engine, model, weights: randomWeights(model), loss, batch, lanes, compute });
}

type Measured = Awaited<ReturnType<typeof measure>>;

function expectSame(one: Measured, other: Measured): void {
  expect(Math.abs(one.figures.loss - other.figures.loss)).toBeLessThan(1e-5);
  expect(other.figures.gradientNorm).toBeGreaterThan(0.1);
  for (const [name, gradient] of other.gradients) {
    const own = one.gradients.get(name)!;
    const worst = gradient.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i]!)), 0);
    expect(worst, name).toBeLessThan(2e-5);
  }
}

describe.each(Object.entries(objectives))("%s", (_name, objective) => {
  test("packed rows have the loss and gradients of one text a row (bug: a source of another text)", async () => {
    const [packed, apart] = [true, false].map((isPacked) => objective(isPacked).collate(drawn, 3));
    expect(packed!.tensors.inputIds!.shape[0]).toBeLessThan(drawn.length / 2);
    expectSame(await measure(objective(true).loss, packed!, 0), await measure(objective(false).loss, apart!, 0));
  });

  test("two lanes have those of one, with the same dropout (bug: masks of the target's rows cut like the source's)", async () => {
    const batch = objective(false).collate(drawn, 3);
    const [one, two] = [
      await measure(objective(false).loss, batch, 0.2),
      await measure(objective(false).loss, batch, 0.2, { lanes: 2 }),
    ];
    expect([one.figures.lanes, two.figures.lanes]).toEqual([1, 2]);
    expectSame(one, two);
    const still = await measure(objective(false).loss, batch, 0);
    expect(Math.abs(one.figures.loss - still.figures.loss)).toBeGreaterThan(1e-3);
  });

  test.skipIf(oneDnn.missing !== undefined)("in bf16 on onednn loss and gradients are near those in f32", async () => {
    const engine = await oneDnn.open();
    if (!engine.computeDtypes.includes("bf16")) return engine.dispose();
    const batch = objective(true).collate(drawn, 3);
    const [exact, rounded] = [
      await measure(objective(true).loss, batch, 0),
      await measure(objective(true).loss, batch, 0, { engine, compute: "bf16" }),
    ];
    await engine.dispose();
    expect(Math.abs(rounded.figures.loss / exact.figures.loss - 1)).toBeLessThan(0.01);
    for (const [name, gradient] of exact.gradients) {
      const own = rounded.gradients.get(name)!;
      const length = Math.hypot(...gradient);
      const apart = Math.hypot(...gradient.map((x, i) => x - own[i]!));
      // The key bias has no effect on the softmax: its gradient is rounding noise.
      if (length > 0.05 * exact.figures.gradientNorm) expect(apart / length, name).toBeLessThan(0.1);
    }
  });
});
