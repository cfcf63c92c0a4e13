/** @file Losses, gradients and three AdamW steps of a model beside those that a fixture has from PyTorch. */
import { expect } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import type { TensorFile } from "../../src/formats/safetensors.ts";
import { storedTensors, type WeightEntry } from "../../src/models/weight-map.ts";
import type { Module } from "../../src/nn/module.ts";
import type { Weights } from "../../src/nn/weights.ts";
import type { Objective } from "../../src/objectives/objective.ts";
import { adamW } from "../../src/optim/adamw.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { relativeDifference } from "./close.ts";

export interface ParitySteps<M extends Module> {
  readonly model: M;
  readonly weights: Weights;
  readonly map: readonly WeightEntry[];
  readonly loss: Objective<never, M>["loss"];
  readonly batch: Batch;
  readonly expected: TensorFile;
  /** Names of tensors whose exact gradient is 0: rounding noise, which Adam makes large. */
  readonly noise: RegExp;
}

/** Parameters by their names in files. */
function byKey(model: Module, weights: Weights, map: readonly WeightEntry[]): Map<string, Float32Array> {
  return new Map([...storedTensors(model, weights, map)].map(({ name, data }) => [name, data as Float32Array]));
}

/** Compares the numbers of a prefix, by the rest of their names. */
async function compare(
  expected: TensorFile,
  prefix: string,
  numbers: ReadonlyMap<string, Float32Array>,
  { tolerance, noise }: { readonly tolerance: number; readonly noise: RegExp },
): Promise<void> {
  const names = expected.names.filter((name) => name.startsWith(prefix) && !noise.test(name));
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) {
    const { data } = await expected.read(name);
    const own = numbers.get(name.slice(prefix.length))!;
    expect(relativeDifference(own, data as Float32Array), name).toBeLessThan(tolerance);
  }
}

/** The engine as one that runs gradients, norm and update by themselves: a step that is one graph keeps no gradients. */
function inSeparatePrograms(backend: Backend): Backend {
  return backend.wholeSteps === true ? Object.create(backend, { wholeSteps: { value: false } }) : backend;
}

/**
 * Makes the three steps of a fixture (`train` of tools/golden/model_fixture.py) and compares every number; on engines that
 * take a step as one graph once more so, all but the gradients.
 */
export async function checkSteps<M extends Module>(
  backend: Backend,
  tolerance: number,
  run: ParitySteps<M>,
): Promise<void> {
  await checkStepsOn(inSeparatePrograms(backend), tolerance, run);
  if (backend.wholeSteps === true) await checkStepsOn(backend, tolerance, run);
}

async function checkStepsOn<M extends Module>(
  backend: Backend,
  tolerance: number,
  { model, weights, map, loss, batch, expected, noise }: ParitySteps<M>,
): Promise<void> {
  const step = await TrainStep.create({
    backend,
    model,
    weights,
    loss,
    optimizer: adamW({ epsilon: 1e-6 }),
    treatment: (_name, { decays }) => ({ learningRateScale: 1, weightDecay: decays ? 0.01 : 0 }),
    maxGradNorm: 1,
    policy: { compute: "f32" },
    accumulates: false,
    seed: 0,
  });
  const losses = (await expected.read("adamw_losses")).data as Float32Array;
  const norms = (await expected.read("adamw_grad_norms")).data as Float32Array;
  for (let i = 0; i < 3; i++) {
    const figures = await step.run([batch], i + 1, 1e-2);
    expect(relativeDifference([figures.loss], [losses[i]!]), `loss of step ${i + 1}`).toBeLessThan(tolerance);
    expect(relativeDifference([figures.gradientNorm], [norms[i]!]), `norm of step ${i + 1}`).toBeLessThan(tolerance);
    if (i > 0 || backend.wholeSteps === true) continue;
    const gradients = byKey(model, await step.store.read("gradient"), map);
    await compare(expected, "gradient.", gradients, { tolerance, noise });
  }
  const updated = byKey(model, await step.store.read("value"), map);
  await compare(expected, "updated.", updated, { tolerance: 10 * tolerance, noise });
  await step.dispose();
}
