/** @file What can be said of a task's held-out data without a model. */
import { readFileSync } from "node:fs";
import {
  baselineRows,
  conllColumns,
  conllU,
  type JudgedRow,
  judgedFigures,
  type TaggedSentence,
  type TrainingTruth,
} from "../../src/index.ts";
import { preparedFile, type TaskCase } from "./case.ts";
import { linesOf } from "./part.ts";
import type { CaseResult } from "./result.ts";

export type RuleResult = Required<Pick<CaseResult, "figures" | "rule">>;

function rowsOf<T>(folder: string, task: TaskCase, part: string): T[] {
  return linesOf(readFileSync(preparedFile(folder, task, part), "utf8")).map((line) => JSON.parse(line) as T);
}

async function sentencesOf(folder: string, task: TaskCase, part: string): Promise<TaggedSentence[]> {
  const file = preparedFile(folder, task, part);
  const source = file.endsWith(".conllu") ? conllU(file) : conllColumns(file);
  const sentences: TaggedSentence[] = [];
  for await (const sentence of source.sentences()) sentences.push(sentence);
  return sentences;
}

interface LabelledRow {
  readonly label: string;
}

/** What the training data say, and the held-out items with nothing said of them. */
async function truthOf(folder: string, task: TaskCase): Promise<readonly [TrainingTruth, JudgedRow[]] | undefined> {
  if (task.kind === "classes") {
    const [train, held] = ["train", "eval"].map((part) => rowsOf<LabelledRow>(folder, task, part)) as [
      LabelledRow[],
      LabelledRow[],
    ];
    const labels = train.map(({ label }) => label);
    const probabilities = Object.fromEntries([...new Set(labels)].sort().map((name) => [name, 0]));
    const judged = held.map(({ label }, i): JudgedRow => {
      return { task: "textClassification", line: i + 1, texts: [], label, prediction: "", probabilities };
    });
    return [{ task: "textClassification", labels }, judged];
  }
  if (task.kind === "score") {
    const numbers = (part: string) => rowsOf<LabelledRow>(folder, task, part).map(({ label }) => Number(label));
    const judged = numbers("eval").map((label, i): JudgedRow => {
      return { task: "textRegression", line: i + 1, texts: [], label, prediction: 0 };
    });
    return [{ task: "textRegression", labels: numbers("train") }, judged];
  }
  if (task.kind === "tags") {
    const judged = (await sentencesOf(folder, task, "eval")).map(
      ({ words, tags, line }): JudgedRow => ({
        ...{ task: "tokenClassification", line, words, label: tags, prediction: tags, probabilities: [] },
      }),
    );
    return [{ task: "tokenClassification", sentences: await sentencesOf(folder, task, "train") }, judged];
  }
  return undefined;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Figures of a search whose order is left to chance, one passage answering each question. */
function chanceOfSearch(size: number): Record<string, number> {
  const ranks = Array.from({ length: size }, (_, i) => 1 / (i + 1));
  return { mrr: mean(ranks), recall1: 1 / size, recall5: Math.min(1, 5 / size) };
}

/** Figures of the commonest class, each word's commonest tag, or chance; undefined where no such rule gives an answer. */
export async function baselineOf(folder: string, task: TaskCase): Promise<RuleResult | undefined> {
  if (task.kind === "choice") {
    const chances = rowsOf<{ readonly options: readonly string[] }>(folder, task, "eval");
    return { rule: "chance", figures: { accuracy: mean(chances.map(({ options }) => 1 / options.length)) } };
  }
  if (task.kind === "search") {
    return { rule: "chance", figures: chanceOfSearch(rowsOf(folder, task, "corpus").length) };
  }
  const truth = await truthOf(folder, task);
  const baseline = truth && baselineRows(...truth);
  if (baseline === undefined) return undefined;
  const figures = Object.entries(judgedFigures(baseline.rows));
  const defined = figures.map(([name, value]) => [name, Number.isFinite(value) ? value : null] as const);
  return { rule: baseline.name, figures: Object.fromEntries(defined) };
}
