// Firth's side of a pre-training step: see side.mjs for the protocol.
//
//   node bench/gpu/firth-side.mjs --engine cuda --model bert-base --vocab 30522 --batch 256 --seq 128 --dtype bf16
//
// --layers N takes that many of the model's layers. --dump FOLDER writes the text of the step's graph and what its arguments are, for
// jax_side.py, and ends; with --target cuda as it is for that platform, whatever the engine, for compile_ahead.py;
// with --devices N divided among so many, by --partitioner shardy (or gspmd).

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { backendOptions, dist, openBackend } from "./backend.mjs";
import { answerBlocks, say } from "./side.mjs";

const text = { type: "string" };
const values = backendOptions({
  ...{ model: text, vocab: text, batch: text, seq: text, layers: text, "attention-dropout": text },
  ...{ dump: text, target: text, devices: text, partitioner: text },
});

const SEED = 1;
const RATE = 1e-4;

const { trainingTask } = await dist("cli/bench/training-task");
const { TrainStep } = await dist("train/train-step");
const { adamW } = await dist("optim/adamw");
const { lowerToStableHlo } = await dist("backend/xla/lower/lower-to-stablehlo");

const opened = await openBackend(values);
const { backend } = opened;
const customCalls =
  values.target === "cuda" ? new Set((await dist("backend/xla/pjrt/custom-call")).cudnnAttention) : opened.customCalls;
const compiled = { milliseconds: 0, memory: undefined, attention: undefined };

/** Writes down what a peer needs to run the same graph, and ends. */
function dump(graph, options) {
  const { partitioner = "shardy" } = values;
  const module = lowerToStableHlo(graph, { ...options, partitioner, customCalls });
  const { text: program, inputs, outputs, inputNames, outputNames } = module;
  const donated = [...(options.donations ?? [])].map(([input, output]) => [
    inputNames.indexOf(input),
    outputNames.indexOf(output),
  ]);
  mkdirSync(values.dump, { recursive: true });
  writeFileSync(join(values.dump, "step.mlir"), program);
  writeFileSync(join(values.dump, "step.json"), JSON.stringify({ inputs, outputs, inputNames, outputNames, donated }));
  say({ dumped: values.dump });
  process.exit(0);
}

/** The same engine, which tells how long it compiled; methods of the engine's class keep their object. */
const watched = new Proxy(backend, {
  get(target, name) {
    // The text is that of a whole step with all its composites, whichever engine is at hand.
    if (values.dump !== undefined && (name === "wholeSteps" || name === "donates")) return true;
    if (values.dump !== undefined && name === "fuses") return () => true;
    if (values.dump !== undefined && name === "devices") return Number(values.devices ?? 1);
    const value = target[name];
    if (name === "compile") {
      return async (graph, options = {}) => {
        if (values.dump !== undefined) dump(graph, options);
        const began = performance.now();
        const executable = await target.compile(graph, options);
        compiled.milliseconds += performance.now() - began;
        compiled.memory = executable.memory;
        compiled.attention = executable.attention;
        return executable;
      };
    }
    return typeof value === "function" ? value.bind(target) : value;
  },
});

const { state, objective, batch } = trainingTask({
  model: values.model,
  vocab: Number(values.vocab),
  batch: Number(values.batch),
  seq: Number(values.seq),
  seed: SEED,
  ...(values.layers === undefined ? {} : { layers: Number(values.layers) }),
  ...(values["attention-dropout"] === undefined ? {} : { attentionDropout: Number(values["attention-dropout"]) }),
});
const step = await TrainStep.create({
  backend: watched,
  model: state.module,
  weights: state.weights,
  loss: objective.loss,
  optimizer: adamW({ beta1: 0.9, beta2: 0.999, epsilon: 1e-6 }),
  treatment: (_, parameter) => ({ learningRateScale: 1, weightDecay: parameter.decays ? 0.01 : 0 }),
  maxGradNorm: 1,
  policy: { compute: values.dtype },
  accumulates: false,
  seed: SEED,
});
const batches = [batch];
let made = 0;
const losses = [];
const norms = [];
let [worked, waited] = [0, 0];

/** Makes steps as a run does: the next one is given to the engine before the figures of the last are asked for. */
async function block(count) {
  const before = performance.eventLoopUtilization();
  const began = performance.now();
  let behind;
  const told = async () => {
    if (behind === undefined) return;
    const { loss, gradientNorm } = await behind.figures;
    losses.push(loss);
    norms.push(gradientNorm);
  };
  for (let i = 0; i < count; i++) {
    const begun = await step.start(batches, ++made, RATE);
    await told();
    behind = begun;
  }
  await told();
  const milliseconds = performance.now() - began;
  const { active } = performance.eventLoopUtilization(before);
  worked += active;
  waited += milliseconds;
  return milliseconds;
}

const began = performance.now();
await block(1);
const firstStepMs = performance.now() - began;
await block(3);
[worked, waited] = [0, 0];
losses.length = 0;
await answerBlocks(block);
const work = step.work(batches);
const { description } = await backend.probe(values.dtype);
say({
  side: "firth",
  ...{ engine: backend.name, description, isWhole: step.isWhole },
  tokens: batch.numTokens,
  flops: work.usefulFlops,
  parameters: [...step.store.parameters.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
  ...{ compileMs: compiled.milliseconds, firstStepMs, memory: compiled.memory, attention: compiled.attention, losses },
  hostShare: waited === 0 ? undefined : worked / waited,
});
await step.dispose();
await backend.dispose();
