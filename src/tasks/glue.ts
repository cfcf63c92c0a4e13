/** @file The nine tasks of GLUE: what each decides, how it is counted, and how people do. */
import type { ClassificationResult } from "./classification-evaluation.ts";
import type { RegressionResult } from "./regression-evaluation.ts";

export const glueTaskNames = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"] as const;
export type GlueTaskName = (typeof glueTaskNames)[number];

/** A figure in per cent, as GLUE's table has them. */
export type GlueFigures = Readonly<Record<string, number>>;

export interface GlueTask {
  readonly name: GlueTaskName;
  /** As GLUE writes it, and begins its submission files with. */
  readonly title: string;
  /** Class names in the order of their numbers; undefined where the task is a number. */
  readonly labels: readonly string[] | undefined;
  /** Names of the official figures; the score of a task is their mean. */
  readonly figures: readonly string[];
  /** What people reach, in per cent, in the order of `figures`. */
  readonly human: readonly number[];
}

const binary = ["0", "1"] as const;
const entailment = ["entailment", "not_entailment"] as const;

/**
 * @source Wang et al. 2018, arXiv:1804.07461, Table 1; human performance of Nangia & Bowman 2019, arXiv:1905.10425, as on
 * GLUE's leaderboard
 */
export const glueTasks: Readonly<Record<GlueTaskName, GlueTask>> = {
  cola: { name: "cola", title: "CoLA", labels: binary, figures: ["matthews"], human: [66.4] },
  sst2: { name: "sst2", title: "SST-2", labels: binary, figures: ["accuracy"], human: [97.8] },
  mrpc: { name: "mrpc", title: "MRPC", labels: binary, figures: ["f1", "accuracy"], human: [86.3, 80.8] },
  stsb: { name: "stsb", title: "STS-B", labels: undefined, figures: ["pearson", "spearman"], human: [92.7, 92.6] },
  qqp: { name: "qqp", title: "QQP", labels: binary, figures: ["f1", "accuracy"], human: [59.5, 80.4] },
  mnli: {
    name: "mnli",
    title: "MNLI",
    labels: ["contradiction", "entailment", "neutral"],
    figures: ["accuracy", "mismatchedAccuracy"],
    human: [92.0, 92.8],
  },
  qnli: { name: "qnli", title: "QNLI", labels: entailment, figures: ["accuracy"], human: [91.2] },
  rte: { name: "rte", title: "RTE", labels: entailment, figures: ["accuracy"], human: [93.6] },
  wnli: { name: "wnli", title: "WNLI", labels: binary, figures: ["accuracy"], human: [95.9] },
};

/** Whether a result is of numbers. */
function isScores(result: ClassificationResult | RegressionResult): result is RegressionResult {
  return "pearson" in result;
}

/**
 * The official figures of a result, in per cent; a correlation with a constant counts as 0.
 * @param mismatched of MNLI's second held-out set; its figure is left out without it
 */
export function glueFigures(
  { figures }: GlueTask,
  result: ClassificationResult | RegressionResult,
  mismatched?: ClassificationResult | undefined,
): GlueFigures {
  const known: Record<string, number | undefined> = isScores(result)
    ? { pearson: result.pearson, spearman: result.spearman }
    : {
        accuracy: result.accuracy,
        f1: result.binary?.f1,
        matthews: result.matthews,
        mismatchedAccuracy: mismatched?.accuracy,
      };
  return Object.fromEntries(
    figures.flatMap((name) => {
      const value = known[name];
      return value === undefined ? [] : [[name, Number.isNaN(value) ? 0 : 100 * value] as const];
    }),
  );
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The score of a task: the plain mean of its figures. */
export function glueScore(figures: GlueFigures): number {
  return mean(Object.values(figures));
}

/** Scores as shares of what people reach, figure by figure, then their mean: people have 1. */
export function relativeToHuman({ figures: names, human }: GlueTask, figures: GlueFigures): number {
  return mean(names.flatMap((name, i) => (figures[name] === undefined ? [] : [figures[name] / human[i]!])));
}

/** Digits that a number of a submission has. */
const SCORE_DIGITS = 3;

/** A submission file: a header, then each row's id and prediction. */
export function glueSubmission(rows: readonly { readonly id: string; readonly prediction: string | number }[]): string {
  const lines = rows.map(
    ({ id, prediction }) => `${id}\t${typeof prediction === "number" ? prediction.toFixed(SCORE_DIGITS) : prediction}`,
  );
  return `index\tprediction\n${lines.map((line) => `${line}\n`).join("")}`;
}
