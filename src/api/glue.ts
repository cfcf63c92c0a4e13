/** @file GLUE as a whole: every task in several settings and seeds, the best by the dev figure, and submission files. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import { type Spread, spread } from "../evaluation/index.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson } from "../formats/json-file.ts";
import {
  type GlueFigures,
  type GlueTask,
  type GlueTaskName,
  glueScore,
  glueTaskNames,
  glueTasks,
  relativeToHuman,
} from "../tasks/glue.ts";
import { findGlueData } from "../tasks/glue-files.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { type GlueOutcome, type GlueRun, runGlueTask, writeGlueSubmissions } from "./glue-run.ts";
import type { FinetuneStart } from "./start-classifier.ts";

/** What is tried; every task is run with every combination. */
export interface GlueGrid {
  /** Peak rates; 5e-5, 4e-5, 3e-5 and 2e-5 by default. */
  readonly learningRates?: readonly number[] | undefined;
  /** 32 by default. */
  readonly batchSizes?: readonly number[] | undefined;
  /** 1 by default. */
  readonly seeds?: readonly number[] | undefined;
}

export interface GlueOptions extends GlueGrid {
  readonly tokenizer: Tokenizer;
  /** All nine by default. */
  readonly tasks?: readonly GlueTaskName[] | undefined;
  /** Longest text in tokens; 128 by default. */
  readonly maxSeqLength?: number | undefined;
  /** Folder of `report.json`, `submission/`, and the runs' own folders. Without it nothing is written. */
  readonly outputDir?: string | undefined;
  /** Of every run, as those of `finetune`; 3 epochs and a warm-up of a tenth by default. */
  readonly train?: Omit<FinetuneOptions, "learningRate" | "batchSize" | "seed" | "outputDir"> | undefined;
  /** Is told what is being done. */
  readonly onNotice?: ((message: string) => void) | undefined;
}

/** One setting with one seed. */
export interface GlueTrial {
  readonly learningRate: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly figures: GlueFigures;
  /** Mean of the figures, in per cent. */
  readonly score: number;
  readonly steps: number;
}

export interface GlueTaskReport {
  readonly name: GlueTaskName;
  readonly title: string;
  readonly trials: readonly GlueTrial[];
  /** The trial with the highest score on the dev set: chosen and told by the same set, so it flatters. */
  readonly best: GlueTrial;
  /** Scores over the seeds of the best trial's setting. */
  readonly spread: Spread;
  /** The best trial's figures as shares of what people reach. */
  readonly relativeToHuman: number;
  /** Rows that were passed over since they lack cells or text. */
  readonly numBroken: number;
  readonly submissions: readonly string[];
}

export interface GlueReport {
  /** How the best was chosen. */
  readonly selection: string;
  readonly tasks: readonly GlueTaskReport[];
  /** Tasks that were asked for and not run, with the reason. */
  readonly missing: readonly { readonly name: GlueTaskName; readonly reason: string }[];
  /** Mean of the best scores, and of the seeds' means, over the tasks that were run; GLUE's own average only with all nine. */
  readonly average: number;
  readonly averageOfMeans: number;
  readonly averageRelativeToHuman: number;
  readonly isWhole: boolean;
}

const defaults = { learningRates: [5e-5, 4e-5, 3e-5, 2e-5], batchSizes: [32], seeds: [1] } as const;
const selection =
  "best of all settings and seeds by the mean of the task's official figures on its dev set, which is also where it is told";

function gridOf({ learningRates, batchSizes, seeds }: GlueGrid): Required<{
  readonly [K in keyof GlueGrid]: readonly number[];
}> {
  const grid = {
    learningRates: learningRates ?? defaults.learningRates,
    batchSizes: batchSizes ?? defaults.batchSizes,
    seeds: seeds ?? defaults.seeds,
  };
  const issues: ConfigIssue[] = Object.entries(grid)
    .filter(([, values]) => values.length === 0 || new Set(values).size < values.length)
    .map(([path, values]) => ({
      path,
      message: `must be different values, one at least; got ${JSON.stringify(values)}.`,
      code: "CONFIG_VALUE",
    }));
  if (issues.length > 0) throw new ConfigError("glue", issues);
  return grid;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

interface TaskPlace {
  readonly start: FinetuneStart;
  readonly run: GlueRun;
  readonly options: GlueOptions;
}

/** Every setting and seed of one task; undefined when interrupted. */
async function tryTask({ start, run, options }: TaskPlace): Promise<GlueTaskReport | undefined> {
  const { task, data } = run;
  const { outputDir, onNotice, train = {} } = options;
  const { learningRates, batchSizes, seeds } = gridOf(options);
  const trials: GlueTrial[] = [];
  let best: { readonly trial: GlueTrial; readonly model: GlueOutcome["model"] } | undefined;
  for (const learningRate of learningRates) {
    for (const batchSize of batchSizes) {
      for (const seed of seeds) {
        const name = `rate-${learningRate}-batch-${batchSize}-seed-${seed}`;
        const folder = outputDir === undefined ? {} : { outputDir: join(outputDir, task.name, name) };
        const given = { warmupRatio: 0.1, numEpochs: 3, ...train, learningRate, batchSize, seed, ...folder };
        const { model, figures, steps } = await runGlueTask(start, run, given);
        if (figures === undefined) return undefined;
        const trial = { learningRate, batchSize, seed, figures, score: glueScore(figures), steps };
        onNotice?.(`${task.title} ${name}: ${trial.score.toFixed(2)}`);
        trials.push(trial);
        if (best === undefined || trial.score > best.trial.score) best = { trial, model };
      }
    }
  }
  const { trial, model } = best!;
  const alike = trials.filter(
    ({ learningRate, batchSize }) => learningRate === trial.learningRate && batchSize === trial.batchSize,
  );
  const { engine, dtype } = train;
  const submission = outputDir === undefined ? undefined : join(outputDir, "submission");
  if (submission !== undefined) await mkdir(submission, { recursive: true });
  const submissions =
    submission === undefined
      ? []
      : await writeGlueSubmissions(model, run, (file) => join(submission, file), { engine, dtype });
  return {
    name: task.name,
    title: task.title,
    trials,
    best: trial,
    spread: spread(alike.map(({ score }) => score)),
    relativeToHuman: relativeToHuman(task, trial.figures),
    numBroken: data.numBroken(),
    submissions,
  };
}

/** What a report says in all. */
function summary(tasks: readonly GlueTaskReport[], missing: GlueReport["missing"]): GlueReport {
  return {
    selection,
    tasks,
    missing,
    average: mean(tasks.map(({ best }) => best.score)),
    averageOfMeans: mean(tasks.map((task) => task.spread.mean)),
    averageRelativeToHuman: mean(tasks.map((task) => task.relativeToHuman)),
    isWhole: tasks.length === glueTaskNames.length,
  };
}

/**
 * Fine-tunes a model for the tasks of GLUE and tells their official figures on the dev sets.
 *
 * Tasks whose files are missing are named in the report. With an `outputDir`, predictions for the test sets that there are
 * become submission files. An interrupted run ends with the tasks that were done.
 * @param data folder of GLUE's archive, or of the same sets as they lie at their sources
 * @throws {ConfigError} TASK_UNKNOWN, CONFIG_VALUE, and those of `finetune`
 * @throws {DataError} GLUE_MISSING where no task has its files, and for rows that cannot be used, naming file and line
 * @source Wang et al. 2018, arXiv:1804.07461; settings of Devlin et al. 2019 §4.1, arXiv:1810.04805
 */
export async function glue(start: FinetuneStart, data: string, options: GlueOptions): Promise<GlueReport> {
  const { tokenizer, tasks: names = glueTaskNames, maxSeqLength = 128, outputDir, onNotice } = options;
  gridOf(options);
  const unknown = names.filter((name) => !glueTaskNames.includes(name));
  if (unknown.length > 0) {
    const message = `must be among ${glueTaskNames.join(", ")}; got ${unknown.join(", ")}.`;
    throw new ConfigError("glue", [{ path: "tasks", message, code: "TASK_UNKNOWN" }]);
  }
  const reports: GlueTaskReport[] = [];
  const missing: { name: GlueTaskName; reason: string }[] = [];
  for (const name of new Set(names)) {
    const task: GlueTask = glueTasks[name];
    const found = findGlueData(data, name);
    if ("missing" in found) {
      missing.push({ name, reason: found.missing });
      onNotice?.(`${task.title} is left out: ${found.missing}.`);
      continue;
    }
    const isOver = options.train?.signal?.aborted === true;
    const report = isOver
      ? undefined
      : await tryTask({ start, run: { task, data: found, tokenizer, maxSeqLength }, options });
    if (report === undefined) missing.push({ name, reason: "interrupted" });
    else reports.push(report);
  }
  if (reports.length === 0 && options.train?.signal?.aborted !== true) {
    const reasons = missing.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
    throw new DataError(`no task can be run; ${reasons}. Is this the folder that holds RTE, CoLA and so on?`, {
      code: "GLUE_MISSING",
      path: data,
    });
  }
  const report = summary(reports, missing);
  if (outputDir !== undefined) {
    await mkdir(outputDir, { recursive: true });
    await writeFileAtomic(join(outputDir, "report.json"), formatJson(JSON.parse(JSON.stringify(report))));
  }
  return report;
}
