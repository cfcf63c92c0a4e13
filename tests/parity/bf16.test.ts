/** @file Training in bf16 beside f32, and one run on several engines. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { createOneDnnBackend } from "../../src/backend/onednn/onednn-backend.ts";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import type { ComputeDType } from "../../src/ir/dtype.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bert } from "../../src/models/bert/family.ts";
import { adamW } from "../../src/optim/adamw.ts";
import type { TrainEvent } from "../../src/train/event.ts";
import type { TrainOptionsInput } from "../../src/train/options.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { train } from "../../src/train/trainer.ts";
import { oneDnn } from "../support/backends.ts";
import { relativeDifference } from "../support/close.ts";
import { cyclicExamples, tinyObjective, tinySpec, tinyTokenizer } from "../support/tiny-run.ts";

/** ‖a − b‖ / ‖b‖. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  // Parameters without a use stay as they are: nothing differs from nothing.
  return size === 0 ? Math.sqrt(difference) : Math.sqrt(difference / size);
}

const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** A BERT of two layers. */
function smallBert(settings: Parameters<typeof bertConfig>[0]) {
  const config = bertConfig({
    vocabSize: tinyTokenizer.vocabSize,
    hiddenSize: 64,
    numHiddenLayers: 2,
    numAttentionHeads: 4,
    intermediateSize: 128,
    maxPositionEmbeddings: 32,
    ...settings,
  });
  return bert(config, { seed: 1 });
}

/** Loss and gradients of one batch, with dropout. */
async function gradientsIn(backend: Backend, dtype: ComputeDType) {
  const { module, weights } = smallBert({});
  const objective = tinyObjective({ maxSeqLength: 32 });
  const examples = cyclicExamples(32, 27);
  const drawn = Array.from({ length: 32 }, (_, item) => ({ example: examples.example(0, 0, item), epoch: 0, item }));
  const step = await TrainStep.create({
    backend,
    model: module,
    weights,
    loss: objective.loss,
    optimizer: adamW({}),
    treatment: () => ({ learningRateScale: 1, weightDecay: 0 }),
    maxGradNorm: 1,
    policy: { compute: dtype },
    accumulates: false,
    seed: 0,
  });
  const { loss } = await step.run([objective.collate(drawn, 0)], 1, 0);
  const gradients = await step.store.read("gradient");
  await step.dispose();
  return { loss, gradients };
}

async function curve(backend: Backend, dtype: ComputeDType, maxSteps: number): Promise<number[]> {
  const losses: number[] = [];
  const listener = (event: TrainEvent): void => {
    if (event.kind === "step") losses.push(event.loss);
  };
  // Wide initial weights, so that a small network learns at once.
  const { module, weights } = smallBert({
    initializerRange: 0.1,
    hiddenDropoutProb: 0,
    attentionProbsDropoutProb: 0,
  });
  const options = { maxSteps, learningRate: 3e-3, warmupSteps: 20, batchSize: 16 };
  await train(tinySpec(backend, options, { model: module, weights, policy: { compute: dtype }, listener }));
  return losses;
}

describe.skipIf(oneDnn.missing !== undefined)(`bf16 on ${oneDnn.title}`, () => {
  let backend: Backend;
  let hasBf16 = false;
  beforeAll(async () => {
    // The numbers are what counts here; on a busy machine one thread is faster than two that wait for each other.
    backend = await createOneDnnBackend({ threads: 1 });
    hasBf16 = backend.computeDtypes.includes("bf16");
  });
  afterAll(() => backend.dispose());

  it("gradients lie within a few parts in a thousand of f32's, and are not f32's (would catch a policy that nobody follows)", async (test) => {
    if (!hasBf16) return test.skip("the processor has no bf16");
    const [whole, half] = [await gradientsIn(backend, "f32"), await gradientsIn(backend, "bf16")];
    expect(relativeDifference([half.loss], [whole.loss])).toBeLessThan(2e-3);
    const distances = [...whole.gradients].flatMap(([name, gradient]) => {
      // Keys' biases and unused parameters have no gradient but rounding.
      const norm = Math.hypot(...gradient);
      return norm < 1e-6 || name.includes("qkv.bias") ? [] : [distance(half.gradients.get(name)!, gradient)];
    });
    expect(distances.length).toBeGreaterThan(20);
    expect(Math.max(...distances)).toBeLessThan(1.5e-2);
    expect(mean(distances)).toBeGreaterThan(1e-4);
  });

  it("200 steps follow the curve of f32", async (test) => {
    if (!hasBf16) return test.skip("the processor has no bf16");
    const [whole, half] = [await curve(backend, "f32", 200), await curve(backend, "bf16", 200)];
    // The task is learned, so that there is a curve to follow.
    expect(mean(whole.slice(-20))).toBeLessThan(0.5 * whole[0]!);
    for (let start = 0; start < 200; start += 20) {
      const [a, b] = [whole, half].map((losses) => mean(losses.slice(start, start + 20))) as [number, number];
      expect(Math.abs(a - b), `steps ${start + 1} to ${start + 20}`).toBeLessThan(0.01 * whole[0]!);
    }
  });
});

describe.skipIf(oneDnn.missing !== undefined)(`one run on onnx and ${oneDnn.title}`, () => {
  let backends: { readonly onnx: Backend; readonly onednn: Backend };
  let folder: string;
  beforeAll(async () => {
    backends = { onnx: await createOnnxBackend({ threads: 2 }), onednn: await oneDnn.open() };
    folder = await mkdtemp(join(tmpdir(), "firth-engines-"));
  });
  afterAll(async () => {
    await backends.onnx.dispose();
    await backends.onednn.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  /** Six steps on one engine, then six on another from its checkpoint. */
  async function handedOver(first: Backend, second: Backend, dtype: ComputeDType, name: string) {
    const options: TrainOptionsInput = { maxSteps: 12, checkpointSteps: 6, decay: "constant", warmupSteps: 0 };
    const controller = new AbortController();
    const outputDir = join(folder, name);
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step" && event.step === 6) controller.abort();
    };
    const begun = await train(tinySpec(first, options, { outputDir, listener, signal: controller.signal }));
    expect([begun.reason, begun.steps]).toEqual(["interrupted", 6]);
    const result = await train(tinySpec(second, options, { outputDir, policy: { compute: dtype } }));
    expect(result.steps).toBe(12);
    return result.weights;
  }

  it("a checkpoint of one engine goes on on the other, to the same weights (would catch state that an engine keeps to itself, or masks of its own)", async () => {
    const { onnx, onednn } = backends;
    const whole = await handedOver(onnx, onnx, "f32", "onnx");
    for (const [name, weights] of [
      ["onnx to onednn", await handedOver(onnx, onednn, "f32", "over")],
      ["onednn to onnx", await handedOver(onednn, onnx, "f32", "back")],
    ] as const) {
      for (const [key, values] of whole) {
        expect(relativeDifference(weights.get(key)!, values), `${name}, ${key}`).toBeLessThan(5e-3);
      }
    }
    if (!onednn.computeDtypes.includes("bf16")) return;
    const half = await handedOver(onnx, onednn, "bf16", "half");
    for (const [key, values] of whole) expect(distance(half.get(key)!, values), key).toBeLessThan(0.1);
  });
});
