import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cyclicExamples, plain, tinyObjective, tinySpec } from "../../tests/support/tiny-run.ts";
import type { Backend } from "../backend/backend.ts";
import { createOnnxBackend } from "../backend/onnx/onnx-backend.ts";
import type { TrainEvent } from "./event.ts";
import type { TrainOptionsInput } from "./options.ts";
import { train } from "./trainer.ts";

let backend: Backend;
let root: string;
beforeAll(async () => {
  backend = await createOnnxBackend({ binding: "c-api", threads: 2 });
  root = await mkdtemp(join(tmpdir(), "firth-lanes-"));
});
afterAll(async () => {
  await backend.dispose();
  await rm(root, { recursive: true, force: true });
});

const base: TrainOptionsInput = { maxSteps: 9, batchSize: 14, checkpointSteps: 2, epsilon: 1e-4 };

/** Runs, or ends after a step, and tells what was said. */
async function run(
  options: TrainOptionsInput,
  folder?: string,
  stopAfter?: number,
  engine = backend,
  objective = tinyObjective(),
) {
  const controller = new AbortController();
  const notices: string[] = [];
  const losses: number[] = [];
  const listener = (event: TrainEvent): void => {
    if (event.kind === "notice") notices.push(event.message);
    if (event.kind !== "step") return;
    losses.push(event.loss);
    if (event.step === stopAfter) controller.abort();
  };
  const outputDir = folder === undefined ? undefined : join(root, folder);
  // Examples of very different lengths: rows, places and shapes change from step to step.
  const parts = {
    listener,
    signal: controller.signal,
    outputDir,
    examples: cyclicExamples(40, 13),
    objective,
  };
  const { weights } = await train(tinySpec(engine, { ...base, ...options }, parts));
  return { losses, bits: plain(weights), notices, lanes: notices.filter((text) => text.startsWith("lanes: ")) };
}

test("two lanes learn as one does, and a resumed run ends with the bits of an uninterrupted one", async () => {
  const [one, two] = [await run({ lanes: 1 }), await run({ lanes: 2 })];
  expect(two.losses).toHaveLength(9);
  two.losses.forEach((loss, i) => {
    expect(Math.abs(loss / one.losses[i]! - 1)).toBeLessThan(1e-4);
  });
  expect(two.bits).not.toEqual(one.bits);
  await run({ lanes: 2 }, "two", 3);
  const last = await run({ lanes: 2 }, "two");
  expect(last.losses).toEqual(two.losses.slice(3));
  expect(last.bits).toEqual(two.bits);
});

test("a checkpoint's lanes are gone on with by auto, and no others are taken (bug: a resume that chooses anew)", async () => {
  for (const lanes of [1, 2] as const) {
    const whole = await run({ lanes });
    await run({ lanes }, `auto-${lanes}`, 4);
    await expect(run({ lanes: lanes === 1 ? 2 : 1 }, `auto-${lanes}`)).rejects.toMatchObject({
      code: "LANES_MISMATCH",
    });
    const last = await run({ lanes: "auto" }, `auto-${lanes}`);
    expect(last.lanes).toEqual([`lanes: ${lanes}, as in the checkpoint`]);
    // The room that two lanes need is asked for, too.
    expect(last.notices.filter((text) => text.startsWith("memory: "))).toHaveLength(lanes);
    expect(last.bits).toEqual(whole.bits);
  }
});

test("auto says what it chose, and trains the same as if it had been told, each time", async () => {
  const { lanes, bits } = await run({ lanes: "auto" });
  expect(lanes).toEqual([expect.stringMatching(/^lanes: 2: the model has [\d,]+ weights/)]);
  expect(bits).toEqual((await run({ lanes: 2 })).bits);
  expect((await run({ lanes: "auto" })).bits).toEqual(bits);
});

test("auto takes one lane where the objective's batches cannot be divided", async () => {
  const whole = tinyObjective();
  const odd: typeof whole = {
    ...whole,
    collate: (examples, seed) => {
      const batch = whole.collate(examples, seed);
      return { ...batch, tensors: { ...batch.tensors, odd: { dtype: "i32", shape: [1], data: new Int32Array(1) } } };
    },
  };
  const { lanes, losses } = await run({ lanes: "auto", maxSteps: 2 }, undefined, undefined, backend, odd);
  expect(lanes).toEqual([expect.stringMatching(/^lanes: 1: .*tensor "odd" is neither rows nor a list of places/)]);
  expect(losses).toHaveLength(2);
});

test("a batch of one row is told of once; an engine without lanes leaves auto at one and refuses two", async () => {
  const single = await run({ lanes: 2, batchSize: 1, maxSteps: 3 });
  expect(single.notices.filter((text) => text.includes("a batch of one row runs in one lane"))).toHaveLength(1);
  const narrow = await createOnnxBackend({ binding: "c-api", threads: 1 });
  expect((await run({ lanes: "auto", maxSteps: 1 }, undefined, undefined, narrow)).lanes).toEqual([
    "lanes: 1: the engine onnx runs one graph at a time here",
  ]);
  await expect(run({ lanes: 2 }, undefined, undefined, narrow)).rejects.toMatchObject({ code: "LANES_UNSUPPORTED" });
  await narrow.dispose();
});
