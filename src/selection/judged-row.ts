/** @file What a model made of each held-out item, beside what is true: figures, comparisons and reports are made from it. */

/** A text, or a pair of texts, and its class. */
export interface JudgedClass {
  readonly task: "textClassification";
  /** Of the item's first line in its file, from 1. */
  readonly line: number;
  readonly texts: readonly string[];
  readonly label: string;
  readonly prediction: string;
  /** Of each class by its name. */
  readonly probabilities: Readonly<Record<string, number>>;
}

/** A text, or a pair of texts, and its number. */
export interface JudgedScore {
  readonly task: "textRegression";
  readonly line: number;
  readonly texts: readonly string[];
  readonly label: number;
  readonly prediction: number;
}

/** A sentence, and the tag of each of its words. */
export interface JudgedTags {
  readonly task: "tokenClassification";
  readonly line: number;
  readonly words: readonly string[];
  readonly label: readonly string[];
  readonly prediction: readonly string[];
  /** Of the predicted tags. */
  readonly probabilities: readonly number[];
}

/** A question to a text, and its answers; an empty prediction says that there is none. */
export interface JudgedAnswer {
  readonly task: "questionAnswering";
  readonly id: string;
  readonly question: string;
  readonly context: string;
  /** Right answers, and where they begin in the text (UTF-16 units); none where the text does not answer the question. */
  readonly label: readonly { readonly text: string; readonly start: number | null }[];
  readonly prediction: string;
  /** UTF-16 units [start, end) of the text; null for no answer. */
  readonly start: number | null;
  readonly end: number | null;
  readonly probability: number;
  /** By the measure of the task, in [0, 1]. */
  readonly exact: number;
  readonly f1: number;
}

/** A question with options, and which of them is right. */
export interface JudgedChoice {
  readonly task: "multipleChoice";
  readonly line: number;
  readonly question: string;
  /** The text that the question is about; empty without one. */
  readonly context: string;
  readonly options: readonly string[];
  /** Number of the right option, from 0. */
  readonly label: number;
  readonly prediction: number;
  /** Of each option. */
  readonly probabilities: readonly number[];
}

/** A text, what should be written for it, and what was. */
export interface JudgedText {
  readonly task: "sequenceToSequence";
  readonly source: string;
  readonly label: string;
  readonly prediction: string;
}

export type JudgedRow = JudgedClass | JudgedScore | JudgedTags | JudgedAnswer | JudgedText | JudgedChoice;
export type JudgedTask = JudgedRow["task"];
/** The rows of one task. */
export type JudgedOf<T extends JudgedTask> = Extract<JudgedRow, { readonly task: T }>;

export const judgedTasks: readonly JudgedTask[] = [
  ...(["textClassification", "textRegression", "tokenClassification"] as const),
  ...(["questionAnswering", "sequenceToSequence", "multipleChoice"] as const),
];

/** What a row is about, without what a model says of it: equal in two runs on the same data. */
export function askedOf(row: JudgedRow): string {
  switch (row.task) {
    case "textClassification":
    case "textRegression":
      return JSON.stringify([row.texts, row.label]);
    case "tokenClassification":
      return JSON.stringify([row.words, row.label]);
    case "questionAnswering":
      return JSON.stringify([row.id, row.question, row.label.map(({ text }) => text)]);
    case "sequenceToSequence":
      return JSON.stringify([row.source, row.label]);
    case "multipleChoice":
      return JSON.stringify([row.question, row.options, row.label]);
  }
}
