/**
 * What int8 costs in accuracy: a fine-tuned classifier in f32 and in int8 on the same labelled texts.
 *
 *   npx tsx bench/int8.ts --data FOLDER [--model FOLDER | --start FOLDER] [--preset tiny] [--epochs 2] [--json]
 *
 * FOLDER has sst2/train.tsv[.gz] and sst2/dev.tsv[.gz]. --model is a classifier that was fine-tuned on SST-2; without it one is
 * fine-tuned first, from --start (a pre-trained model) or from scratch. Writes bench/results/int8.md.
 */
import { parseArgs } from "node:util";
import { finetune } from "../src/api/finetune.ts";
import { loadClassifier } from "../src/api/load.ts";
import type { TextClassifier } from "../src/api/model.ts";
import { TableSource } from "../src/data/table.ts";
import { bertConfig } from "../src/models/bert/config.ts";
import { bert } from "../src/models/bert/family.ts";
import { openEngine } from "../src/runtime.ts";
import { classificationResult } from "../src/tasks/classification-evaluation.ts";
import { textClassification } from "../src/tasks/text-classification.ts";
import { TextClassifierProgram } from "../src/tasks/text-classifier-program.ts";
import { loadTokenizer } from "../src/tokenizers/load.ts";
import { WordPiece } from "../src/tokenizers/wordpiece.ts";
import { FixedWeights, type Quantize } from "../src/train/fixed-weights.ts";
import { readColumn } from "./peers/task-data.mjs";
import { load, machine, today, writeResult } from "./section.mjs";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    ...{ data: text, model: text, start: text },
    preset: { ...text, default: "tiny" },
    epochs: { ...text, default: "2" },
    json: { type: "boolean", default: false },
  },
});
if (values.data === undefined) throw new RangeError("--data must name the folder of the data sets.");

async function table(file: string): Promise<TableSource> {
  const [texts, labels] = await Promise.all([0, 1].map((column) => readColumn(values.data!, file, column)));
  return new TableSource(
    file,
    async function* () {
      for (const [i, sentence] of texts!.entries())
        yield { fields: { text: sentence, label: labels![i]! }, line: i + 1 };
    },
    {},
  );
}

const training = await table("sst2/train.tsv");
const dev = await table("sst2/dev.tsv");
const engine = await openEngine({});

/** The classifier that is measured, and how it came to be. */
async function classifierOf(): Promise<{ readonly classifier: TextClassifier; readonly origin: string }> {
  if (values.model !== undefined)
    return { classifier: await loadClassifier(values.model), origin: "a model of one's own" };
  const { start, preset, epochs } = values;
  const tokenizer =
    start === undefined
      ? await WordPiece.train(await readColumn(values.data!, "sst2/train.tsv", 0), { vocabSize: 8_000 })
      : await loadTokenizer(start);
  const begin = start ?? bert(bertConfig({ preset, vocabSize: tokenizer.vocabSize }), { seed: 1 });
  const task = textClassification({ tokenizer, maxSeqLength: 64 });
  const from = start === undefined ? `BERT-${preset} from scratch` : "a pre-trained model";
  console.error(`fine-tuning ${from}`);
  const classifier = await finetune(
    begin,
    task,
    { train: training },
    { numEpochs: Number(epochs), batchSize: 32, learningRate: start === undefined ? 5e-4 : 1e-4, seed: 1, engine },
  );
  return { classifier, origin: `${from}, ${epochs} epochs on SST-2's ${"sst2/train.tsv"}` };
}

const { classifier, origin } = await classifierOf();
const { module, tokenizer, maxSeqLength, labels } = classifier;
const data = await textClassification({ tokenizer, maxSeqLength }).read(dev, labels);

async function run(quantize: Quantize) {
  const store = new FixedWeights(engine, module, classifier.weights, quantize);
  const padId = tokenizer.special.pad;
  const program = new TextClassifierProgram({
    backend: engine,
    store,
    model: module,
    batchSize: 32,
    maxSeqLength,
    padId,
  });
  const logits = await program.logits(data.examples);
  await program.dispose();
  const { bytes } = store;
  store.dispose();
  return { logits, bytes, figures: classificationResult(data, logits) };
}

const [exact, rounded] = [await run("none"), await run("int8")];
const margins = ({ logits }: { readonly logits: readonly Float32Array[] }) => logits.map(([a, b]) => b! - a!);
const before = margins(exact);
const after = margins(rounded);
const differences = exact.logits.flatMap((row, i) => [...row].map((x, k) => Math.abs(x - rounded.logits[i]![k]!)));
const result = {
  origin,
  numTexts: data.examples.length,
  accuracy: { f32: exact.figures.accuracy, int8: rounded.figures.accuracy },
  loss: { f32: exact.figures.loss, int8: rounded.figures.loss },
  weightBytes: { f32: exact.bytes, int8: rounded.bytes },
  largestLogitDifference: Math.max(...differences),
  meanLogitDifference: differences.reduce((sum, x) => sum + x, 0) / differences.length,
  largestLogit: Math.max(...exact.logits.flatMap((row) => [...row].map(Math.abs))),
  changedLabels: before.filter((margin, i) => margin > 0 !== after[i]! > 0).length,
};
await engine.dispose();

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
writeResult(
  "int8.md",
  `# Accuracy in int8

Written by \`npx tsx bench/int8.ts --data FOLDER\` on ${today()}; do not edit.

- Machine: ${machine()}; load average ${load()}.
- ${origin}; ${result.numTexts} texts of SST-2's dev set.

| | f32 | int8 |
|---|---|---|
| accuracy | ${percent(result.accuracy.f32)} | ${percent(result.accuracy.int8)} |
| loss, nats | ${result.loss.f32.toFixed(4)} | ${result.loss.int8.toFixed(4)} |
| weights, MB | ${(result.weightBytes.f32 / 1e6).toFixed(1)} | ${(result.weightBytes.int8 / 1e6).toFixed(1)} |

Labels that change: ${result.changedLabels} of ${result.numTexts}. Logits differ by at most ${result.largestLogitDifference.toFixed(3)}, on average ${result.meanLogitDifference.toFixed(3)} (the largest
logit is ${result.largestLogit.toFixed(2)}).
`,
);
console.log(values.json ? JSON.stringify(result) : result);
