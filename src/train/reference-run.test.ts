import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cyclicExamples, plain, tinyEvaluation, tinySpec } from "../../tests/support/tiny-run.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import type { TrainEvent } from "./event.ts";
import { train } from "./trainer.ts";

test("a run in double precision keeps doubles in its checkpoints and goes on bit for bit (bug: saved as F32, it ended with TENSOR_MISMATCH)", async () => {
  const root = await mkdtemp(join(tmpdir(), "firth-reference-"));
  const backend = createReferenceBackend();
  const run = (outputDir: string | undefined, stopAt = Number.POSITIVE_INFINITY) => {
    const controller = new AbortController();
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step" && event.step === stopAt) controller.abort();
    };
    const options = { maxSteps: 4, batchSize: 2, evalSteps: 2, checkpointSteps: 3, selectBest: true };
    const parts = { examples: cyclicExamples(8, 7), outputDir, listener, signal: controller.signal };
    const spec = tinySpec(backend, options, parts);
    return train({ ...spec, evaluation: tinyEvaluation(spec) });
  };
  try {
    const whole = await run(undefined);
    expect([...whole.weights.values()].every((data) => data instanceof Float32Array)).toBe(true);
    expect((await run(join(root, "run"), 1)).reason).toBe("interrupted");
    const resumed = await run(join(root, "run"));
    expect(plain(resumed.weights)).toEqual(plain(whole.weights));
    expect(resumed.evaluations.map(({ loss }) => loss)).toEqual(whole.evaluations.map(({ loss }) => loss));
    // A run that had ended reads the selected weights back.
    expect(plain((await run(join(root, "run"))).weights)).toEqual(plain(whole.weights));
  } finally {
    await backend.dispose();
    await rm(root, { recursive: true, force: true });
  }
});
