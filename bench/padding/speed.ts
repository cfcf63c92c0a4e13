/** @file BERT-mini on real texts: packed, padded to the longest text of a batch, and padded to the longest allowed. */
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { endlessOrder } from "../../src/data/order.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { BertForSequenceClassification } from "../../src/models/bert/model.ts";
import { initialWeights } from "../../src/nn/weights.ts";
import { adamW } from "../../src/optim/adamw.ts";
import { withEngine } from "../../src/runtime.ts";
import { textBatch, withLabels } from "../../src/tasks/classification-batch.ts";
import type { ClassificationExample } from "../../src/tasks/classification-data.ts";
import { classificationLogits, textClassification } from "../../src/tasks/text-classification.ts";
import { plannedTextBatches } from "../../src/tasks/text-plan.ts";
import type { Tokenizer } from "../../src/tokenizers/tokenizer.ts";
import { BatchProgram } from "../../src/train/batch-program.ts";
import { traceForward } from "../../src/train/forward-graph.ts";
import { ModelStore } from "../../src/train/model-store.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { fixed, median, range } from "../section.mjs";
import type { TextSet } from "./data-set.ts";

/** The ways that take turns. */
const ways = ["packed", "to longest", "to maximum"] as const;
type Way = (typeof ways)[number];

const BATCH_SIZE = 32;
/** How much is timed. */
export interface SpeedOptions {
  readonly rounds: number;
  /** Training steps of a round. */
  readonly steps: number;
  /** Texts predicted in a round. */
  readonly texts: number;
}

/** One text a row. */
function unpacked(texts: readonly ClassificationExample[], way: Way, { maxSeqLength }: TextSet, padId: number): Batch {
  const longest = Math.max(...texts.map(({ tokens }) => tokens.length));
  const width = way === "to maximum" ? maxSeqLength : Math.min(maxSeqLength, 8 * Math.ceil(longest / 8));
  const layout = { width, numRows: texts.length, rows: texts.map((_, i) => [i]) };
  const batch = textBatch(texts, { maxSeqLength, padId, packed: false, layout });
  return withLabels(
    batch,
    texts.map(({ label }) => label),
  );
}

function trainingBatches(set: TextSet, tokenizer: Tokenizer, numSteps: number): Record<Way, Batch[]> {
  const { maxSeqLength, train } = set;
  const task = textClassification({ tokenizer, maxSeqLength });
  const order = endlessOrder(train.length, 1);
  const steps = Array.from({ length: numSteps }, (_, step) =>
    Array.from({ length: BATCH_SIZE }, (_, i) => train[order(step * BATCH_SIZE + i).item]!),
  );
  const padId = tokenizer.special.pad;
  return {
    packed: steps.map((texts) =>
      task.collate(
        texts.map((example, item) => ({ example, epoch: 0, item })),
        1,
      ),
    ),
    "to longest": steps.map((texts) => unpacked(texts, "to longest", set, padId)),
    "to maximum": steps.map((texts) => unpacked(texts, "to maximum", set, padId)),
  };
}

function predictionBatches(
  set: TextSet,
  tokenizer: Tokenizer,
  hiddenSize: number,
  numTexts: number,
): Record<Way, Batch[]> {
  const { maxSeqLength } = set;
  const texts = set.held.slice(0, numTexts);
  const padId = tokenizer.special.pad;
  const planned = plannedTextBatches(texts, { batchSize: BATCH_SIZE, maxSeqLength, packed: true, padId, hiddenSize });
  const inOrder = (way: Way): Batch[] =>
    Array.from({ length: Math.ceil(texts.length / BATCH_SIZE) }, (_, i) =>
      unpacked(texts.slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE), way, set, padId),
    );
  return {
    packed: [...planned].map(({ batch }) => batch),
    "to longest": inOrder("to longest"),
    "to maximum": inOrder("to maximum"),
  };
}

/** Runs all batches of each way in turn; the first round, which compiles, is not counted. */
async function takeTurns(
  batches: Record<Way, Batch[]>,
  rounds: number,
  run: (batch: Batch) => Promise<unknown>,
): Promise<Record<Way, number[]>> {
  const times: Record<Way, number[]> = { packed: [], "to longest": [], "to maximum": [] };
  for (let round = 0; round <= rounds; round++) {
    // Each round begins with another way.
    for (const way of ways.map((_, i) => ways[(i + round) % ways.length]!)) {
      const began = performance.now();
      for (const batch of batches[way]) await run(batch);
      if (round > 0) times[way].push(performance.now() - began);
    }
  }
  return times;
}

function rowsOf(what: string, batches: Record<Way, Batch[]>, times: Record<Way, number[]>): string[] {
  const base = median(times["to longest"]);
  return ways.map((way) => {
    const texts = batches[way].reduce((sum, batch) => sum + batch.numSequences, 0);
    const tokens = batches[way].reduce((sum, batch) => sum + batch.numTokens, 0);
    const places = batches[way].reduce((sum, batch) => sum + batch.numPlaces, 0);
    const ms = median(times[way]);
    const cells = [
      what,
      way,
      `${fixed(100 * (1 - tokens / places), 1)} %`,
      `${fixed(ms)} (${range(times[way])})`,
      fixed((1000 * texts) / ms),
      fixed(base / ms, 2),
    ];
    return `| ${cells.join(" | ")} |`;
  });
}

async function trainingRows(
  backend: Backend,
  set: TextSet,
  tokenizer: Tokenizer,
  options: SpeedOptions,
): Promise<string[]> {
  const config = bertConfig({ preset: "mini", vocabSize: tokenizer.vocabSize });
  const model = new BertForSequenceClassification(config, 2);
  const step = await TrainStep.create({
    backend,
    model,
    weights: initialWeights(model, 1),
    loss: textClassification({ tokenizer, maxSeqLength: set.maxSeqLength }).loss as never,
    optimizer: adamW(),
    treatment: () => ({ learningRateScale: 1, weightDecay: 0.01 }),
    maxGradNorm: 1,
    policy: { compute: "f32" },
    accumulates: false,
    seed: 1,
  });
  try {
    const batches = trainingBatches(set, tokenizer, options.steps);
    let made = 0;
    const times = await takeTurns(batches, options.rounds, (batch) => step.run([batch], ++made, 1e-5));
    return rowsOf(`${set.name}, training`, batches, times);
  } finally {
    await step.dispose();
  }
}

async function predictionRows(
  backend: Backend,
  set: TextSet,
  tokenizer: Tokenizer,
  options: SpeedOptions,
): Promise<string[]> {
  const config = bertConfig({ preset: "mini", vocabSize: tokenizer.vocabSize });
  const model = new BertForSequenceClassification(config, 2);
  const store = new ModelStore(backend, model, ["value"]);
  store.write("value", initialWeights(model, 1));
  const program = new BatchProgram({
    backend,
    store,
    trace: (batch) =>
      traceForward(store.parameters, batch, { compute: "f32" }, (context, symbols) => ({
        logits: classificationLogits(model, context, symbols),
      })),
  });
  try {
    const batches = predictionBatches(set, tokenizer, config.hiddenSize, options.texts);
    const times = await takeTurns(batches, options.rounds, (batch) => program.run(batch));
    return rowsOf(`${set.name}, prediction`, batches, times);
  } finally {
    await program.dispose();
    store.dispose();
  }
}

/** Lines of a report: BERT-mini's time for the same texts in three ways. */
export async function measureSpeed(
  sets: readonly TextSet[],
  tokenizer: Tokenizer,
  options: SpeedOptions,
): Promise<string[]> {
  const rows: string[] = [];
  const add = (more: readonly string[]): void => {
    rows.push(...more);
    for (const row of more) console.log(row);
  };
  await withEngine({ engine: "onnx" }, async (backend) => {
    for (const set of sets) {
      add(await trainingRows(backend, set, tokenizer, options));
      add(await predictionRows(backend, set, tokenizer, options));
    }
  });
  return [
    "## Speed",
    "",
    `BERT-mini, engine onnx, f32: ${options.steps} training steps of ${BATCH_SIZE} texts, and ${options.texts} predictions. The three ways take turns,`,
    `${options.rounds} rounds after one that compiles; medians. *to longest* rounds widths up to multiples of 8.`,
    "",
    "| work | rows | padding | ms (range) | texts/s | times *to longest* |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
  ];
}
