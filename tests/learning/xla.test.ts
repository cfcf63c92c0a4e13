/** @file The same training on XLA as on ONNX Runtime: curve beside curve, and one engine going on where the other stopped. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import type { ComputeDType } from "../../src/ir/dtype.ts";
import type { TrainListener } from "../../src/train/event.ts";
import type { TrainOptionsInput } from "../../src/train/options.ts";
import { train } from "../../src/train/trainer.ts";
import { xla } from "../support/backends.ts";
import { tinySpec } from "../support/tiny-run.ts";

const steps = 200;
const options: TrainOptionsInput = { maxSteps: steps, learningRate: 2e-3, warmupSteps: 20 };

interface LossOptions {
  /** The run is interrupted after this step. */
  readonly stopAt?: number;
  readonly outputDir?: string;
  readonly dtype?: ComputeDType;
}

/** Losses of a run, by step from 0. */
async function losses(
  backend: Backend,
  { stopAt = steps, outputDir, dtype = "f32" }: LossOptions = {},
): Promise<number[]> {
  const found: number[] = [];
  const controller = new AbortController();
  const listener: TrainListener = (event) => {
    if (event.kind !== "step") return;
    found[event.step - 1] = event.loss;
    if (event.step === stopAt && stopAt < steps) controller.abort();
  };
  const { signal } = controller;
  await train(tinySpec(backend, options, { listener, dropout: 0.1, outputDir, signal, policy: { compute: dtype } }));
  return found;
}

/** Largest difference of two curves. */
const apart = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe.skipIf(xla.missing !== undefined)(xla.title, () => {
  let engines: { readonly onnx: Backend; readonly xla: Backend };
  let wanted: number[];
  beforeAll(async () => {
    engines = { onnx: await createOnnxBackend({ threads: 2 }), xla: await xla.open() };
    wanted = await losses(engines.onnx);
  }, 120_000);
  afterAll(async () => {
    await engines?.onnx.dispose();
    await engines?.xla.dispose();
  });

  it("200 steps of f32 with dropout: the losses of ONNX Runtime (bugs: other masks, a correction one step off)", async () => {
    const found = await losses(engines.xla);
    expect(found).toHaveLength(steps);
    expect(wanted.at(-1)!).toBeLessThan(wanted[0]! - 0.2);
    // Sums are rounded in another order, and what that changes grows with training.
    expect(apart(found.slice(0, 10), wanted)).toBeLessThan(1e-5);
    expect(apart(found, wanted)).toBeLessThan(1e-4);
  }, 120_000);

  it("200 steps of bf16 follow the curve of f32, and are not it (bug: a policy that nobody follows)", async () => {
    const found = await losses(engines.xla, { dtype: "bf16" });
    const mean = (all: readonly number[], start: number): number =>
      all.slice(start, start + 20).reduce((sum, x) => sum + x, 0) / 20;
    for (let start = 0; start < steps; start += 20) {
      const name = `steps ${start + 1} to ${start + 20}`;
      expect(Math.abs(mean(found, start) - mean(wanted, start)), name).toBeLessThan(0.01 * wanted[0]!);
    }
    expect(apart(found, wanted)).toBeGreaterThan(1e-5);
  }, 120_000);

  it.each(["onnx", "xla"] as const)(
    "goes on from a checkpoint that %s wrote",
    async (first) => {
      const outputDir = mkdtempSync(join(tmpdir(), "firth-xla-"));
      try {
        const second = first === "onnx" ? "xla" : "onnx";
        const before = await losses(engines[first], { stopAt: 30, outputDir });
        // An engine that makes steps as one graph has been given the next one when the figures of a step are told.
        const done = before.length;
        expect([30, 31]).toContain(done);
        const after = await losses(engines[second], { outputDir });
        expect(Object.keys(after).length).toBe(steps - done);
        expect(apart([...before, ...after.slice(done)], wanted)).toBeLessThan(1e-3);
      } finally {
        rmSync(outputDir, { recursive: true });
      }
    },
    120_000,
  );
});
