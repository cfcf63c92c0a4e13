/**
 * A head over stored vectors beside fine-tuning of the whole network: quality, and what every epoch takes. What has its result is left out.
 *
 *     npx tsx studies/tasks/features.ts --here MODEL [--minilm MODEL] [--tasks sst2,mrpc,trec] [--seeds 1,2,3]
 *         [--methods features,whole] [--epochs 20] [--folder runs/tasks] [--engine onednn --dtype bf16 --threads 1]
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  finetune,
  finetuneFeatures,
  jsonLines,
  loadTokenizer,
  type TrainListener,
  textClassification,
} from "../../src/index.ts";
import { engineOptions, studyEngine } from "../engine.ts";
import { dataFolder, preparedFile, type TaskCase, usualFolder } from "./case.ts";
import { casesOf } from "./cases.ts";
import {
  type FeatureResult,
  featureFolder,
  featureTasks,
  hasFeatureResult,
  type Method,
  methods,
  writeFeatureResult,
} from "./feature-section.ts";
import { starts } from "./start.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    ...{ here: text, minilm: text, tasks: text, seeds: text, methods: text, epochs: text, folder: text },
    ...engineOptions,
  },
});
const { folder = usualFolder, here, minilm, epochs = "20" } = values;
const models = { here, minilm };
const names = (values.tasks ?? featureTasks.join()).split(",");
const seeds = (values.seeds ?? "1,2,3").split(",").map(Number);
const wanted = (values.methods ?? methods.join()).split(",");
const batchSize = 32;

/** Collects what each epoch's steps take. */
class EpochClock {
  readonly seconds: number[] = [];
  private readonly stepsPerEpoch: number;

  constructor(numItems: number) {
    this.stepsPerEpoch = Math.ceil(numItems / batchSize);
  }

  readonly listen: TrainListener = (event) => {
    if (event.kind !== "step") return;
    const epoch = Math.floor((event.step - 1) / this.stepsPerEpoch);
    this.seconds[epoch] = (this.seconds[epoch] ?? 0) + event.stepSeconds;
  };
}

async function countRows(path: string): Promise<number> {
  let count = 0;
  for await (const _row of jsonLines(path).rows()) count++;
  return count;
}

const { engine, dtype, told: engineText } = await studyEngine(values);

async function run(task: TaskCase, start: (typeof starts)[number], method: Method, seed: number) {
  const model = start.modelOf(task, models)!;
  const tokenizer = await loadTokenizer(model);
  const isPair = task.recipe === "classify-mrpc";
  const learnt = textClassification({
    ...{ tokenizer, labelColumn: "label", maxSeqLength: isPair ? 128 : 64 },
    textColumns: isPair ? ["text1", "text2"] : "text",
  });
  const paths = { train: preparedFile(folder, task, "train"), eval: preparedFile(folder, task, "eval") };
  const tables = { train: jsonLines(paths.train), eval: jsonLines(paths.eval) };
  const clock = new EpochClock(await countRows(paths.train));
  const options = { batchSize, seed, engine, dtype, evalSteps: 100_000, listener: clock.listen } as const;
  const [figure] = task.figures;
  if (method === "whole") {
    const learningRate = task.learningRate * start.rateFactor;
    const { numEpochs } = task;
    const { evaluation } = await finetune(model, learnt, tables, { ...options, learningRate, numEpochs });
    return { evaluation, extracting: 0, numExtracted: 0, epochSeconds: clock.seconds, figure: figure! };
  }
  const vectors = join(dataFolder(folder), "vectors", `${task.name}-${start.name}`);
  const { evaluation, seconds, numExtracted } = await finetuneFeatures(model, learnt, tables, {
    ...{ ...options, learningRate: 1e-3, numEpochs: Number(epochs) },
    features: { layers: [-1, -2], pooling: ["mean", "max"], folder: vectors },
  });
  return {
    ...{ evaluation, extracting: seconds.extracting, numExtracted },
    ...{ epochSeconds: clock.seconds, figure: figure! },
  };
}

for (const task of casesOf("").filter(({ name }) => names.includes(name))) {
  for (const start of starts.filter(({ fromScratch }) => !fromScratch)) {
    if (start.modelOf(task, models) === undefined) continue;
    for (const method of methods.filter((name) => wanted.includes(name))) {
      for (const seed of seeds) {
        const key = { name: task.name, start: start.name, method, seed };
        if (hasFeatureResult(folder, key)) continue;
        const { evaluation, figure, ...told } = await run(task, start, method, seed);
        const { accuracy, matthews, macro, binary } = evaluation!;
        const figures: Readonly<Record<string, number>> = { accuracy, matthews, f1: (binary ?? macro).f1 };
        const result: FeatureResult = { ...key, figures, ...told, engine: engineText };
        writeFeatureResult(folder, result);
        const total = told.extracting + told.epochSeconds.reduce((sum, value) => sum + value, 0);
        console.error(
          `${task.name} ${start.name} ${method} seed ${seed}: ${figures[figure.name]!.toFixed(4)}, ${total.toFixed(1)} s`,
        );
      }
    }
  }
}
await engine.dispose();
// The vectors were kept for the seeds of these runs.
await rm(join(dataFolder(folder), "vectors"), { recursive: true, force: true });
console.error(`Results in ${featureFolder(folder)}`);
