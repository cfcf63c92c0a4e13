/** @file What a task of the study is, and where the study's files are. */
import { join } from "node:path";

/** Where the study keeps its data and results, unless `--folder` says otherwise. */
export const usualFolder = join("runs", "tasks");

export const dataFolder = (folder: string): string => join(folder, "data");
export const resultFolder = (folder: string): string => join(folder, "results");

/** What an item of a task's data is, and so how its files look. */
export type PartKind = "rows" | "sentences" | "questions";

/** Items in the order of the file; what is learnt from and what is held out. */
export interface DataParts<T = unknown> {
  readonly train: readonly T[];
  readonly eval: readonly T[];
  /** Further files by name, as the passages of a search. */
  readonly more?: Readonly<Record<string, readonly T[]>>;
}

/** Reads a file of the data folder, also gzipped. */
export type ReadData = (name: string, encoding?: BufferEncoding) => Promise<string>;

/** A figure of the table. */
export interface Figure {
  /** As the results name it. */
  readonly name: string;
  /** As the benchmark names it. */
  readonly title: string;
  /** What it is multiplied with to be a percentage. */
  readonly scale?: 1 | 100;
}

/** What a model makes of a task. */
export type TaskKind = "classes" | "score" | "tags" | "answers" | "choice" | "search";

/** What the settings of a task may hang on. */
export interface CasePlace {
  /** The path of one of the task's prepared files. */
  readonly file: (part: string) => string;
  /** Longest text of the language's model that was pre-trained here. */
  readonly maxPositions: number;
}

export interface TaskCase {
  readonly name: string;
  readonly title: string;
  /** Which models are tried. */
  readonly language: "en" | "zh" | "dna";
  readonly kind: TaskKind;
  readonly recipe: string;
  /** The benchmark's figures, the usual one first. */
  readonly figures: readonly Figure[];
  /** Peak rate of the small networks of this project; others take a part of it. */
  readonly learningRate: number;
  readonly numEpochs: number;
  /** Settings of the recipe beyond model, data and training. */
  readonly settings: (place: CasePlace) => readonly string[];
  readonly parts: (read: ReadData) => Promise<DataParts>;
  /** Most items of each part, drawn by a seed; all when left out. */
  readonly most?: { readonly train?: number; readonly eval?: number };
  /** About how long one run takes with BERT-mini on one thread in bf16, in seconds. */
  readonly seconds: number;
  /** Symbols that a token holds, where the model of text is made one of symbols first. */
  readonly symbolsPerToken?: number;
  /** What is computed in, where the study's usual type will not do. */
  readonly dtype?: "f32";
  /** Cases whose held-out data the same model is tried on too. */
  readonly alsoOn?: readonly string[];
}

export const partKindOf = ({ kind }: Pick<TaskCase, "kind">): PartKind =>
  kind === "tags" ? "sentences" : kind === "answers" ? "questions" : "rows";

const endings: Readonly<Record<PartKind, string>> = { rows: ".jsonl", sentences: ".conll", questions: ".json" };

/** The path of a prepared file. @param part `train`, `eval` or a further one */
export function preparedFile(folder: string, task: Pick<TaskCase, "name" | "kind" | "recipe">, part: string): string {
  const kind = partKindOf(task);
  const ending = kind === "sentences" && task.recipe === "tag-pos" ? ".conllu" : endings[kind];
  return join(dataFolder(folder), `${task.name}-${part}${ending}`);
}

/** How many items each part of a task's data has, and had. */
export interface PartSizes {
  readonly train: number;
  readonly eval: number;
  readonly allTrain: number;
  readonly allEval: number;
}

/** Name of the file with the sizes of all tasks' data. */
export const sizesFile = "sizes.json";
