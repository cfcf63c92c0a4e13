/**
 * Fine-tunes the pre-trained BERT-mini of `pretrain.ts` on one task, and the same network from scratch, with three seeds
 * each, on one thread: two tasks at a time keep two processors busy. `report.ts` makes the page of all.
 *
 *     npx tsx studies/bert-mini-english/finetune.ts DATA SST-2|CoLA|MRPC [SEEDS]
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { finetune, loadPretrained, openEngine, textClassification } from "../../src/index.ts";
import { resultFile, runFolder, studyTasks, type TaskResult, type TaskRun, taskNames } from "./tasks.ts";

const [data = "../shared/data", name = "SST-2", seedList = "1,2,3"] = process.argv.slice(2);
const task = (await studyTasks(data)).find((item) => item.name === name);
if (task === undefined) throw new Error(`${name} is not a task of the study: ${taskNames.join(", ")}.`);

const pretrained = await loadPretrained(join(runFolder, "model"), { seed: 1 });
const engine = await openEngine({ threads: 1 });
const objective = textClassification({
  tokenizer: pretrained.tokenizer,
  maxSeqLength: 128,
  textColumns: task.textColumns,
  labelColumn: task.labelColumn,
});
const runs: TaskRun[] = [];
let majority = 0;
for (const seed of seedList.split(",").map(Number)) {
  for (const fromScratch of [false, true]) {
    const curve: [number, number][] = [];
    const began = performance.now();
    const { evaluation, run } = await finetune(
      pretrained,
      objective,
      { train: task.train, eval: task.eval },
      {
        numEpochs: task.numEpochs,
        batchSize: 32,
        learningRate: 3e-4,
        seed,
        engine,
        fromScratch,
        listener: (event) => {
          if (event.kind === "step") curve.push([event.step, event.loss]);
        },
      },
    );
    const { accuracy, matthews, binary, confusion } = evaluation!;
    const sizes = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
    majority = Math.max(...sizes) / sizes.reduce((sum, size) => sum + size, 0);
    const seconds = (performance.now() - began) / 1000;
    runs.push({ fromScratch, seed, accuracy, matthews, f1: binary!.f1, steps: run.steps, seconds, curve });
    const { curve: _, ...shown } = runs.at(-1)!;
    process.stderr.write(`${JSON.stringify({ task: name, ...shown })}\n`);
  }
}
await engine.dispose();
const result: TaskResult = { name, figure: task.figure, numEpochs: task.numEpochs, majority, runs };
await mkdir(dirname(resultFile(name)), { recursive: true });
await writeFile(resultFile(name), JSON.stringify(result));
