import process from "node:process";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { Backend } from "../../backend/backend.ts";
import { ConfigError } from "../../base/errors.ts";
import { booleanField, choiceField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { withEngine } from "../../runtime.ts";
import { memoryText } from "../../train/memory-estimate.ts";
import { type BenchmarkFigures, TrainingBenchmark } from "../bench/training-benchmark.ts";
import { benchmarkModels } from "../bench/training-task.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, percent, table } from "../number-text.ts";
import { formatBytes } from "../progress/index.ts";
import type { Session } from "../session.ts";
import { engineFields, givenEngine } from "../settings/engine.ts";

const fields = defineFields({
  model: choiceField(benchmarkModels, { default: "bert-base", doc: "Family and size of the network." }),
  layers: nullableField(
    integerField({ min: 1, doc: "Transformer layers (of each stack); the model's own when left out." }),
  ),
  vocab: nullableField(integerField({ min: 16, doc: "Entries of the vocabulary; the model's own when left out." })),
  batch: integerField({ default: 8, min: 1, doc: "Rows in a step." }),
  seq: integerField({ default: 128, min: 8, doc: "Tokens in a row; of an encoder–decoder on each side." }),
  steps: integerField({ default: 10, min: 1, doc: "Steps that are counted." }),
  warmup: integerField({ default: 2, min: 0, doc: "Steps before them." }),
  recompute: booleanField({ default: false, doc: "Compute layers again in the backward pass, to save memory." }),
  lanes: integerField({ default: 1, min: 1, max: 2, doc: "Parts of a batch that run at the same time." }),
  ...engineFields,
});
const benchTable = defineConfig({
  name: "bench.train",
  fields,
  rules: ({ lanes, batch }) => {
    const message = `must be at most batch: a row is not divided; got ${lanes} and ${batch}.`;
    return lanes <= batch ? [] : [{ path: "lanes", message, code: "CONFIG_RANGE" }];
  },
});

function figuresText(figures: BenchmarkFigures): string {
  return table([
    ["parameters", count(figures.parameters)],
    ["step", `${figures.stepMs.toFixed(1)} ms (median of ${figures.allStepMs.length})`],
    ["speed", `${count(figures.tokensPerSecond)} tokens/s`],
    ["matrix products", `${figures.matmulGflops.toFixed(1)} GFLOPS over the whole step`],
    ["engine alone", `${figures.engineGemmGflops.toFixed(1)} GFLOPS, measured between the steps`],
    ["fraction", percent(figures.fractionOfGemm)],
    ["AdamW", `${figures.optimizerNsPerParameter.toFixed(2)} ns a parameter`],
    ["gradient norm", `${figures.normNsPerParameter.toFixed(2)} ns a parameter`],
    ["outside the engine", `${percent(figures.outsideEngine)} of the step`],
    ["useful work", `${percent(figures.work.usefulFlops / figures.work.executedFlops)} of the matrix products`],
    ["peak memory", formatBytes(figures.peakRssBytes)],
    ...(figures.memory === undefined ? [] : [["foretold", memoryText(figures.memory)] as [string, string]]),
  ]);
}

/** One step for each line "step" on standard input, answered by its time, until the input ends. */
async function answerSteps(benchmark: TrainingBenchmark): Promise<number> {
  const answer = (value: object): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);
  let made = 0;
  answer({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const word = line.trim();
    if (word === "step") {
      answer({ stepMs: await benchmark.make(true) });
      made++;
    } else if (word !== "") answer({ error: `unknown command ${JSON.stringify(word)}; only "step"` });
  }
  return made;
}

async function benchTrain(session: Session, given: Readonly<Record<string, unknown>>): Promise<void> {
  const settings = benchTable.resolve(fieldValues(given, fields));
  const { model, layers, batch, seq, warmup, recompute, lanes } = settings;
  const { engine: name, dtype, threads: limit, binding, onednnLibrary, plugin } = settings;
  const asked = givenEngine({ engine: name, dtype, threads: limit, binding, onednnLibrary, plugin }).engine;
  const run = async (engine: Backend): Promise<void> => {
    const benchmark = await TrainingBenchmark.open({
      model,
      layers: layers ?? undefined,
      vocab: settings.vocab ?? undefined,
      batch,
      seq,
      recompute,
      lanes,
      backend: engine,
      dtype,
    });
    if (benchmark.memory !== undefined) session.say(`memory: ${memoryText(benchmark.memory)}`);
    try {
      for (let i = 0; i < warmup; i++) await benchmark.make(false);
      let steps = settings.steps;
      if (given.interactive === true) steps = await answerSteps(benchmark);
      else for (let i = 0; i < steps; i++) await benchmark.make(true);
      if (steps === 0) {
        throw new ConfigError("bench.train", [
          { path: "steps", message: "must be at least 1; the input ended before a step.", code: "CONFIG_VALUE" },
        ]);
      }
      const { vocab } = benchmark;
      const figures = benchmark.figures();
      const { threads, description } = await engine.probe();
      session.result(
        {
          model,
          layers,
          vocab,
          batch,
          seq,
          recompute,
          lanes,
          engine: engine.name,
          dtype,
          threads,
          description,
          ...figures,
          warmup,
          steps,
        },
        `${model}, ${batch} × ${seq}, vocabulary ${count(vocab)}; ${description}, ${dtype}, ${threads} threads${lanes === 1 ? "" : `, ${lanes} lanes`}\n${figuresText(figures)}`,
      );
    } finally {
      await benchmark.dispose();
    }
  };
  await withEngine(asked, run, dtype);
}

function trainCommand(): Command {
  const command = addFieldOptions(
    defineCommand(
      "train",
      "time whole training steps of a model on random tokens, with its family's objective: forward, backward, clipping, AdamW",
    ),
    fields,
  ).option("--interactive", 'one step for each line "step" on standard input, answered in JSON lines');
  return runs(command, benchTrain);
}

/** `firth bench train`. */
export function benchCommands(group: Command): Command {
  return group.description("measure speed").addCommand(trainCommand());
}
