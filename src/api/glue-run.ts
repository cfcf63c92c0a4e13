/** @file One setting of one GLUE task: fine-tuned, counted, and what it says of the test set. */
import { basename } from "node:path";
import { writeFileAtomic } from "../formats/atomic.ts";
import type { ClassificationResult } from "../tasks/classification-evaluation.ts";
import { type GlueFigures, type GlueTask, glueFigures, glueSubmission } from "../tasks/glue.ts";
import { type GlueData, type GluePart, glueId } from "../tasks/glue-files.ts";
import type { RegressionResult } from "../tasks/regression-evaluation.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { textRegression } from "../tasks/text-regression.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { evaluate } from "./evaluate.ts";
import { type Finetuned, type FinetuneOptions, finetune } from "./finetune.ts";
import type { TextClassifier } from "./model.ts";
import { openPredictor, type PredictOptions } from "./predict.ts";
import { openScorer } from "./predict-score.ts";
import type { FinetuneStart } from "./start-classifier.ts";

/** A fine-tuned model of a task; no figures where it was interrupted. */
export interface GlueOutcome {
  readonly model: TextClassifier;
  readonly figures: GlueFigures | undefined;
  readonly steps: number;
}

export interface GlueRun {
  readonly task: GlueTask;
  readonly data: GlueData;
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
}

/** Rows without a majority of the annotators. */
const skipLabels = ["-"];

/** Fine-tunes a model for a task and counts it on the dev set. */
export async function runGlueTask(
  start: FinetuneStart,
  { task, data, tokenizer, maxSeqLength }: GlueRun,
  options: FinetuneOptions,
): Promise<GlueOutcome> {
  const { textColumns, labelColumn, tables } = data;
  const settings = { tokenizer, maxSeqLength, textColumns, labelColumn };
  const own = { train: tables.train!, eval: tables.dev! };
  const outcome = (
    model: Finetuned<ClassificationResult | RegressionResult>,
    mismatched?: ClassificationResult,
  ): GlueOutcome => ({
    model,
    figures: model.evaluation && glueFigures(task, model.evaluation, mismatched),
    steps: model.run.steps,
  });
  if (task.labels === undefined) return outcome(await finetune(start, textRegression(settings), own, options));
  const model = await finetune(
    start,
    textClassification({ ...settings, labels: task.labels, skipLabels }),
    own,
    options,
  );
  const { devMismatched } = tables;
  if (devMismatched === undefined || model.evaluation === undefined) return outcome(model);
  const { engine, dtype } = options;
  const labelled = { engine, dtype, textColumns, labelColumn, skipLabels };
  return outcome(model, await evaluate(model, devMismatched, labelled));
}

/** Names of the submission files of the parts without labels. */
function submissionNames({ name, title }: GlueTask): Readonly<Partial<Record<GluePart, string>>> {
  if (name !== "mnli") return { test: title };
  return { test: `${title}-m`, testMismatched: `${title}-mm`, diagnostic: "AX" };
}

async function predictions(
  model: TextClassifier,
  { task, data }: GlueRun,
  part: GluePart,
  options: PredictOptions,
): Promise<string> {
  const source = data.tables[part]!;
  const { textColumns } = data;
  const rows: { id: string; prediction: string | number }[] = [];
  if (task.labels === undefined) {
    const scorer = await openScorer(model, options);
    try {
      for await (const row of scorer.predictRows(source, { textColumns })) {
        rows.push({ id: glueId(row, source.name), prediction: row.score });
      }
    } finally {
      await scorer.dispose();
    }
  } else {
    const predictor = await openPredictor(model, options);
    try {
      for await (const row of predictor.predictRows(source, { textColumns })) {
        rows.push({ id: glueId(row, source.name), prediction: row.label });
      }
    } finally {
      await predictor.dispose();
    }
  }
  return glueSubmission(rows);
}

/**
 * Writes the submission files of a task, one for each test set that there is; for MNLI those of the diagnostic set, too.
 * @returns their names
 */
export async function writeGlueSubmissions(
  model: TextClassifier,
  run: GlueRun,
  pathOf: (file: string) => string,
  options: PredictOptions,
): Promise<string[]> {
  const written: string[] = [];
  for (const [part, name] of Object.entries(submissionNames(run.task)) as [GluePart, string][]) {
    if (run.data.tables[part] === undefined) continue;
    const path = pathOf(`${name}.tsv`);
    await writeFileAtomic(path, await predictions(model, run, part, options));
    written.push(basename(path));
  }
  return written;
}
