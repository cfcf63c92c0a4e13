/** @file The tasks of the study: recipes of the project over real data, with the settings of a network of four small layers. */
import { join } from "node:path";

export const studyFolder = join("runs", "tasks");
/** Where `prepare.ts` puts the data that no reader takes as they are. */
export const preparedFolder = join(studyFolder, "data");

export interface TaskCase {
  readonly name: string;
  readonly title: string;
  readonly recipe: string;
  /** The figure of the table, as the recipe's evaluation names it. */
  readonly figure: string;
  /** Settings of the recipe. @param data folder of the data sets */
  readonly settings: (data: string) => readonly string[];
  /** Language of the texts: which pre-trained model is tried. */
  readonly language: "en" | "zh";
}

/** What one run of `firth finetune` gave; a line of JSON in the study's folder. */
export interface CaseResult {
  readonly name: string;
  /** `scratch`, or the name of a pre-trained model. */
  readonly start: string;
  readonly command: string;
  /** By figure, over the seeds. */
  readonly figures: Readonly<Record<string, Spread>>;
  readonly seeds: readonly number[];
  /** Share of the commonest class in the held-out data, or what stands for it; undefined where there is none. */
  readonly majority: number | undefined;
  readonly seconds: number;
}

export interface Spread {
  readonly mean: number;
  readonly deviation: number | null;
}

export const resultsFile = join(studyFolder, "results.jsonl");

/** Rates and lengths that suit a network of four layers of width 256. */
const training = (numEpochs: number, learningRate = 3e-4): string[] => [
  `train.numEpochs=${numEpochs}`,
  `train.learningRate=${learningRate}`,
  "train.batchSize=32",
];

const classes = (name: string, title: string, figure: string, settings: TaskCase["settings"]): TaskCase => ({
  ...{ name, title, figure, settings, recipe: "classify-sst2", language: "en" },
});

const pair = (first: string, second: string, label: string): string[] => [
  `task.textColumns=["${first}","${second}"]`,
  `task.labelColumn=${label}`,
  "task.maxSeqLength=128",
];

const prepared = (name: string): string => join(preparedFolder, name);

export const cases: readonly TaskCase[] = [
  classes("sst2", "SST-2, sentiment", "accuracy", (data) => [
    ...[`data.train=${join(data, "sst2/train.tsv.gz")}`, `data.eval=${join(data, "sst2/dev.tsv")}`],
    ...training(3),
  ]),
  {
    ...classes("cola", "CoLA, acceptability", "matthews", (data) => [
      ...[`data.train=${join(data, "cola/in_domain_train.tsv.gz")}`, `data.eval=${prepared("cola-dev.tsv")}`],
      ...training(5),
    ]),
    recipe: "classify-cola",
  },
  {
    ...classes("mrpc", "MRPC, paraphrases", "f1", (data) => [
      ...[`data.train=${join(data, "mrpc/msr-para-train.tsv.gz")}`, `data.eval=${join(data, "mrpc/msr-para-val.tsv")}`],
      ...training(5),
    ]),
    recipe: "classify-mrpc",
  },
  {
    ...classes("stsb", "STS-B, similarity", "pearson", () => [
      ...[`data.train=${prepared("stsb-train.tsv")}`, `data.eval=${prepared("stsb-dev.tsv")}`],
      ...training(5),
    ]),
    recipe: "regress-stsb",
  },
  classes("rte", "RTE, entailment", "accuracy", (data) => [
    ...[`data.train=${join(data, "rte/train.tsv.gz")}`, `data.eval=${join(data, "rte/dev.tsv")}`],
    ...[...pair("sentence1", "sentence2", "label"), ...training(5)],
  ]),
  classes("wnli", "WNLI, pronouns", "accuracy", (data) => [
    ...[`data.train=${join(data, "wnli/train.tsv")}`, `data.eval=${join(data, "wnli/dev.tsv")}`],
    ...[...pair("sentence1", "sentence2", "label"), ...training(5)],
  ]),
  classes("qnli", "QNLI, four fifths of its development set against the rest", "accuracy", () => [
    ...[`data.train=${prepared("qnli-train.tsv")}`, `data.eval=${prepared("qnli-dev.tsv")}`],
    ...[...pair("question", "sentence", "label"), ...training(5)],
  ]),
  classes("trec", "TREC, six kinds of questions, every tenth held out", "accuracy", () => [
    ...[`data.train=${prepared("trec-train.tsv")}`, `data.eval=${prepared("trec-dev.tsv")}`],
    ...["task.textColumns=text", "task.labelColumn=label", ...training(5)],
  ]),
  classes("banking77", "Banking77, 77 intents", "accuracy", (data) => [
    ...[`data.train=${join(data, "banking77/train.csv.gz")}`, `data.eval=${join(data, "banking77/test.csv")}`],
    ...["task.textColumns=text", "task.labelColumn=category", ...training(8)],
  ]),
  {
    ...classes("pos", "UD English EWT, parts of speech", "accuracy", (data) => [
      `data.train=${join(data, "ud_en_ewt/en_ewt-ud-train.conllu.gz")}`,
      `data.eval=${join(data, "ud_en_ewt/en_ewt-ud-dev.conllu.gz")}`,
      ...training(3, 5e-4),
    ]),
    recipe: "tag-pos",
  },
  {
    ...classes("ncbi", "NCBI, diseases", "f1", (data) => [
      ...[`data.train=${join(data, "ncbi_disease/train.tsv.gz")}`, `data.eval=${join(data, "ncbi_disease/devel.tsv")}`],
      ...training(5, 5e-4),
    ]),
    recipe: "tag-ner",
  },
  {
    ...classes("wnut17", "WNUT 2017, emerging entities", "f1", (data) => [
      `data.train=${join(data, "wnut17/wnut17train.conll.gz")}`,
      `data.eval=${join(data, "wnut17/emerging.dev.conll")}`,
      ...training(5, 5e-4),
    ]),
    recipe: "tag-ner",
  },
  {
    ...classes("squad", "SQuAD (new Wikipedia), the last five articles held out", "f1", () => [
      ...[`data.train=${prepared("squad-train.json")}`, `data.eval=${prepared("squad-dev.json")}`],
      ...training(3),
    ]),
    recipe: "answer-squad",
  },
];
