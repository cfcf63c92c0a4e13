import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cyclicExamples,
  killedRunOptions,
  numWords,
  plain,
  type TinySpec,
  tinyEvaluation,
  tinyObjective,
  tinySpec,
} from "../../tests/support/tiny-run.ts";
import type { Backend } from "../backend/backend.ts";
import { createOnnxBackend } from "../backend/onnx/onnx-backend.ts";
import { Random } from "../base/random.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import type { Objective } from "../objectives/objective.ts";
import { mul } from "../tensor/elementwise.ts";
import { reshape } from "../tensor/movement.ts";
import type { TrainEvent } from "./event.ts";
import type { TrainOptionsInput } from "./options.ts";
import { DivergenceError } from "./train-step.ts";
import { type OpenEvaluation, train } from "./trainer.ts";

let backend: Backend;
let root: string;
beforeAll(async () => {
  backend = await createOnnxBackend({ threads: 2 });
  root = await mkdtemp(join(tmpdir(), "firth-train-"));
});
afterAll(async () => {
  await backend.dispose();
  await rm(root, { recursive: true, force: true });
});

const checkpointsOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith("checkpoint-")).sort();

let folders = 0;
const newFolder = (): string => join(root, `run-${folders++}`);

interface Parts extends NonNullable<Parameters<typeof tinySpec>[2]> {
  /** Whether to evaluate on held-out examples. */
  readonly measured?: boolean;
}

/** Runs and gives the events beside the result. */
async function run(options: TrainOptionsInput, { measured = false, ...parts }: Parts = {}) {
  const events: TrainEvent[] = [];
  const spec = tinySpec(backend, options, {
    ...parts,
    listener: (event) => {
      events.push(event);
      parts.listener?.(event);
    },
  });
  const result = await train(measured ? { ...spec, evaluation: tinyEvaluation(spec) } : spec);
  const losses = events.flatMap((event) => (event.kind === "step" ? [event.loss] : []));
  return { ...result, events, losses, bits: plain(result.weights) };
}

/** Ends a run after the given step. */
function stopAfter(step: number): { signal: AbortSignal; listener: (event: TrainEvent) => void } {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    listener: (event) => {
      if (event.kind === "step" && event.step === step) controller.abort();
    },
  };
}

test("one seed gives the same numbers twice, another seed others (would catch hidden state, or a seed left unused)", async () => {
  const [first, second] = [await run({ maxSteps: 6 }), await run({ maxSteps: 6 })];
  expect(second.losses).toEqual(first.losses);
  expect(second.bits).toEqual(first.bits);
  const other = await run({ maxSteps: 6, seed: 4 });
  expect(other.losses.every((loss, i) => loss !== first.losses[i])).toBe(true);
});

describe("resume", () => {
  const options: TrainOptionsInput = { maxSteps: 20, gradientAccumulationSteps: 2, evalSteps: 5, checkpointSteps: 4 };

  test("after an interruption ends with the same bits, metrics and evaluations as if nothing had been", async () => {
    const measured = true;
    const whole = await run(options, { measured, outputDir: newFolder() });
    const wholeMetrics = await readFile(join(root, `run-${folders - 1}`, "metrics.jsonl"), "utf8");
    // Steps with and without a checkpoint and an evaluation of their own; two interruptions each.
    const random = new Random(Date.now());
    for (const step of [4, 5, 1 + random.nextInt(17)]) {
      const outputDir = newFolder();
      const first = await run(options, { measured, outputDir, ...stopAfter(step) });
      expect([first.reason, first.steps]).toEqual(["interrupted", step]);
      await run(options, { measured, outputDir, ...stopAfter(step + 2) });
      const last = await run(options, { measured, outputDir });
      expect([last.reason, last.steps, last.selectedStep], `stopped after ${step}`).toEqual(["finished", 20, 20]);
      expect(last.losses).toEqual(whole.losses.slice(step + 2));
      expect(last.bits, `stopped after ${step}`).toEqual(whole.bits);
      expect(await readFile(join(outputDir, "metrics.jsonl"), "utf8")).toBe(wholeMetrics);
    }
  });

  test("after kill -9 at a random moment ends with the same bits (would catch half-written state taken for whole)", async () => {
    const whole = await run(killedRunOptions);
    const outputDir = newFolder();
    const script = fileURLToPath(new URL("../../tests/support/killed-run.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, outputDir], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let errors = "";
    child.stderr.on("data", (text) => {
      errors += text;
    });
    const closed = new Promise<NodeJS.Signals | null>((resolve) => {
      child.on("close", (_, signal) => resolve(signal));
    });
    // Not at a step's end but some time after it has been told.
    const moment = 9 + Math.random() * 30;
    child.stdout.on("data", (text) => {
      const steps = String(text).trim().split("\n").map(Number);
      if (steps.at(-1)! >= moment) setTimeout(() => child.kill("SIGKILL"), Math.random() * 20);
    });
    expect(await closed, errors).toBe("SIGKILL");
    const last = await run(killedRunOptions, { outputDir });
    const began = last.events.find(({ kind }) => kind === "start") as Extract<TrainEvent, { kind: "start" }>;
    expect(began.step).toBeGreaterThanOrEqual(4);
    expect(last.losses).toEqual(whole.losses.slice(began.step));
    expect(last.bits).toEqual(whole.bits);
  });

  test("skips a broken newest checkpoint, says which, and still ends with the same bits", async () => {
    const whole = await run(options);
    const outputDir = newFolder();
    await run(options, { outputDir, ...stopAfter(9) });
    const folder = join(outputDir, "checkpoint-9");
    const weights = (await readdir(folder)).find((name) => name.endsWith("model.safetensors"))!;
    await truncate(join(folder, weights), 1000);
    const last = await run(options, { outputDir });
    const notices = last.events.flatMap((event) => (event.kind === "notice" ? [event.message] : []));
    expect(notices.some((message) => message.includes("checkpoint-9") && message.includes("is skipped"))).toBe(true);
    expect(last.losses).toHaveLength(12);
    expect(last.bits).toEqual(whole.bits);
  });

  test("refuses a checkpoint of another run and leaves it alone", async () => {
    const outputDir = newFolder();
    await run({ maxSteps: 2 }, { outputDir, fingerprint: "one" });
    const before = await checkpointsOf(outputDir);
    const failure = await run({ maxSteps: 4 }, { outputDir, fingerprint: "two" }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "RUN_MISMATCH" });
    expect(await checkpointsOf(outputDir)).toEqual(before);
  });

  test("around the step where dropout ends, once and again, ends with the same bits; the run says which step (bugs: a resume that counts from its own start, dropout that comes back)", async () => {
    const late: TrainOptionsInput = {
      maxSteps: 10,
      noDropoutRatio: 0.4,
      checkpointSteps: 3,
      gradientAccumulationSteps: 2,
    };
    const notices = (events: readonly TrainEvent[]) =>
      events.flatMap((event) => (event.kind === "notice" && event.message.includes("dropout") ? [event.message] : []));
    const whole = await run(late);
    expect(notices(whole.events)).toEqual(["step 7: from here on without dropout"]);
    const always = await run({ ...late, noDropoutRatio: 0 });
    expect(whole.losses.slice(0, 6)).toEqual(always.losses.slice(0, 6));
    // The seventh step begins with the same weights, but has no masks.
    expect(whole.losses[6]).not.toBe(always.losses[6]);
    for (const step of [5, 6, 7]) {
      const outputDir = newFolder();
      await run(late, { outputDir, ...stopAfter(step) });
      await run(late, { outputDir, ...stopAfter(step + 1) });
      const last = await run(late, { outputDir });
      expect(last.losses, `stopped after ${step}`).toEqual(whole.losses.slice(step + 1));
      expect(last.bits, `stopped after ${step}`).toEqual(whole.bits);
    }
    const never = await run({ maxSteps: 3, noDropoutRatio: 1 });
    expect(never.losses).toEqual((await run({ maxSteps: 3 }, { dropout: 0 })).losses);
  });

  test("of a finished run does nothing and gives its weights", async () => {
    const outputDir = newFolder();
    const first = await run({ maxSteps: 3 }, { outputDir });
    const again = await run({ maxSteps: 3 }, { outputDir });
    expect([again.losses, again.steps]).toEqual([[], 3]);
    expect(again.bits).toEqual(first.bits);
  });
});

describe("selection", () => {
  /** Evaluations with the given losses, one after the other. */
  const scripted = (losses: readonly number[]): OpenEvaluation => {
    let at = 0;
    return () => ({
      run: async () => ({ loss: losses[at]!, means: { score: losses[at++]! } }),
      dispose: async () => {},
    });
  };
  const options: TrainOptionsInput = { maxSteps: 20, evalSteps: 2, decay: "constant", warmupSteps: 0 };

  test("early stopping waits out its patience; the best weights come back, with or without a folder", async () => {
    const upToBest = await run({ ...options, maxSteps: 4 });
    for (const outputDir of [undefined, newFolder()]) {
      const picky = { ...options, selectBest: true, earlyStoppingPatience: 3, keepCheckpoints: 1 };
      const result = await run(picky, { evaluation: scripted([3, 1, 2, 1, 2, 0]), outputDir });
      expect([result.reason, result.steps, result.selectedStep]).toEqual(["early stopping", 10, 4]);
      expect(result.evaluations.map(({ best }) => best)).toEqual([true, true, false, false, false]);
      expect(result.bits).toEqual(upToBest.bits);
      if (outputDir === undefined) continue;
      const again = await run(picky, { evaluation: scripted([7]), outputDir });
      expect([again.reason, again.steps, again.selectedStep]).toEqual(["early stopping", 10, 4]);
      expect(again.bits).toEqual(upToBest.bits);
    }
  });

  test("a figure that is better when higher picks the other end; without selectBest the last weights stay", async () => {
    const selection = { figure: "score", higherIsBetter: true };
    const short = { ...options, maxSteps: 6 };
    const best = await run({ ...short, selectBest: true }, { selection, evaluation: scripted([1, 5, 2]) });
    expect(best.selectedStep).toBe(4);
    const last = await run(short, { selection, evaluation: scripted([1, 5, 2]) });
    expect(last.selectedStep).toBe(6);
    expect(last.bits).not.toEqual(best.bits);
  });

  test("a score that is not a number is never the best (would catch NaN blocking all later ones)", async () => {
    const short = { ...options, maxSteps: 6, selectBest: true };
    const outputDir = newFolder();
    const result = await run(short, { evaluation: scripted([Number.NaN, 2, Number.NaN]), outputDir });
    expect(result.selectedStep).toBe(4);
  });
});

test("evaluation has no dropout and no memory: the same weights give the same figures (would catch training mode)", async () => {
  const evaluations = [];
  for (const dropout of [0.5, 0]) {
    const own = tinySpec(backend, { maxSteps: 2, learningRate: 0, weightDecay: 0, evalSteps: 1 }, { dropout });
    const { evaluations: told } = await train({ ...own, evaluation: tinyEvaluation(own) });
    evaluations.push(...told.map(({ loss, means }) => ({ loss, means })));
  }
  expect(evaluations).toHaveLength(4);
  for (const told of evaluations) expect(told).toEqual(evaluations[0]);
  expect(evaluations[0]!.loss).toBeCloseTo(Math.log(24), 0);
});

test("a loss that stops being a number ends the run, names the step and keeps the last checkpoint", async () => {
  const plainObjective = tinyObjective();
  let made = 0;
  const objective = {
    ...plainObjective,
    collate: (...given: Parameters<typeof plainObjective.collate>) => {
      const batch = plainObjective.collate(...given);
      const data = Float32Array.of(++made === 6 ? Number.NaN : 1);
      return { ...batch, tensors: { ...batch.tensors, poison: { dtype: "f32" as const, shape: [1], data } } };
    },
    loss: ((model, context, batch) => {
      const figures = plainObjective.loss(model, context, batch);
      const { mlm } = figures.terms as { mlm: (typeof figures.terms)[string] };
      return { ...figures, terms: { mlm: { ...mlm, sum: mul(mlm.sum, reshape(batch.poison!, [])) } } };
    }) as TinySpec["objective"]["loss"],
  } satisfies Objective<never, never>;
  const outputDir = newFolder();
  const failure = await run(
    { maxSteps: 9, checkpointSteps: 2, decay: "constant", warmupSteps: 0 },
    { outputDir, objective: objective as TinySpec["objective"] },
  ).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(DivergenceError);
  expect(failure).toMatchObject({ code: "NOT_FINITE", details: { step: 6 } });
  const checkpoints = await checkpointsOf(outputDir);
  expect(checkpoints).toEqual(["checkpoint-2", "checkpoint-4"]);
  const file = await openSafetensors(join(outputDir, "checkpoint-4", "model.safetensors"));
  const kept = new Map<string, Float32Array>();
  for (const name of file.names) kept.set(name, (await file.read(name)).data as Float32Array);
  await file.close();
  const upToThere = await run({ maxSteps: 4, decay: "constant", warmupSteps: 0 });
  expect(plain(kept)).toEqual(upToThere.bits);
});

describe("learning", () => {
  const steady: TrainOptionsInput = { decay: "constant", warmupSteps: 10, learningRate: 5e-3, weightDecay: 0 };

  test("one batch is learnt by heart (would catch gradients of the wrong sign, scale or parameter)", async () => {
    const objective = tinyObjective({ masking: "static" });
    const examples = cyclicExamples(8);
    const { losses } = await run({ ...steady, maxSteps: 250, batchSize: 8 }, { objective, examples, dropout: 0 });
    expect(losses[0]).toBeGreaterThan(2.5);
    expect(losses.at(-1)).toBeLessThan(0.05);
  });

  test("held-out loss falls below the unigram entropy: words are predicted from their context", async () => {
    const examples = cyclicExamples(2048);
    const unseen = cyclicExamples(1e6);
    const options = { ...steady, maxSteps: 400, batchSize: 32, evalSteps: 400 };
    const spec = tinySpec(backend, options, { examples, dropout: 0 });
    const held = tinyEvaluation({
      ...spec,
      examples: { ...unseen, example: (seed, epoch, index) => unseen.example(seed, epoch, index + 5000) },
    });
    const { evaluations } = await train({ ...spec, evaluation: held });
    const unigramEntropy = Math.log(numWords);
    expect(evaluations.at(-1)!.loss).toBeLessThan(0.5 * unigramEntropy);
  });
});

describe("making batches", () => {
  /** An objective whose n-th batch from now on is made by `collate`. */
  const counted = (onMake: (made: number) => void, packed = true): TinySpec["objective"] => {
    const plainObjective = tinyObjective({ packed });
    let made = 0;
    return {
      ...plainObjective,
      collate: (...given) => {
        onMake(++made);
        return plainObjective.collate(...given);
      },
    };
  };
  /** What nobody awaits while `work` runs. */
  const unhandledDuring = async (work: () => Promise<unknown>): Promise<unknown[]> => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", listener);
    await work();
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", listener);
    return unhandled;
  };
  const options: TrainOptionsInput = { maxSteps: 6, checkpointSteps: 1, decay: "constant", warmupSteps: 0 };

  test("a batch that cannot be made ends the run after the step before it, checkpoint and all (would catch a lost step, or an engine disposed in mid-step)", async () => {
    const outputDir = newFolder();
    const objective = counted((made) => {
      if (made === 4) throw new Error("broken example");
    });
    const told: number[] = [];
    const listener = (event: TrainEvent): void => {
      if (event.kind === "step") told.push(event.step);
    };
    let failure: unknown;
    const unhandled = await unhandledDuring(async () => {
      failure = await run(options, { outputDir, objective, listener }).catch((error: unknown) => error);
    });
    expect(String(failure)).toContain("broken example");
    expect(unhandled).toEqual([]);
    expect(told).toEqual([1, 2, 3]);
    expect((await checkpointsOf(outputDir)).at(-1)).toBe("checkpoint-3");
    const whole = await run(options);
    expect((await run(options, { outputDir })).bits).toEqual(whole.bits);
  });

  test("a step and the batch after it may both fail: one rejection, none unhandled", async () => {
    const plainObjective = tinyObjective();
    let made = 0;
    const objective = {
      ...plainObjective,
      collate: (...given: Parameters<typeof plainObjective.collate>) => {
        if (++made === 3) throw new Error("broken example");
        const batch = plainObjective.collate(...given);
        return made === 2 ? { ...batch, counts: { maskedTokens: Number.NaN } } : batch;
      },
    };
    let failure: unknown;
    const unhandled = await unhandledDuring(async () => {
      failure = await run(options, { objective }).catch((error: unknown) => error);
    });
    expect(failure).toBeInstanceOf(DivergenceError);
    expect(unhandled).toEqual([]);
  });

  test("the next batch is made while the engine works (would catch a step that waits for its batch first)", async () => {
    const order: string[] = [];
    // One shape, so that nothing is compiled after the first step.
    const objective = counted((made) => void order.push(`made ${made}`), false);
    const compile: Backend["compile"] = async (graph, ...rest) => {
      const executable = await backend.compile(graph, ...rest);
      return {
        ...executable,
        graph: executable.graph,
        run: async (...given) => {
          order.push("began");
          await executable.run(...given);
          order.push("ended");
        },
        dispose: () => executable.dispose(),
      };
    };
    const watched: Backend = Object.create(backend, { compile: { value: compile } });
    await train(tinySpec(watched, { ...options, maxSteps: 4 }, { objective }));
    const at = order.indexOf("made 4");
    expect(order.slice(at - 1, at + 2)).toEqual(["began", "made 4", "ended"]);
  });
});
