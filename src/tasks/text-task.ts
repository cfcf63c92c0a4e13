/** @file What tasks have in common that read a text, or a pair of texts, a row and put one linear head upon it. */
import type { ConfigIssue } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import type { Framing } from "../models/framing.ts";
import type { ClassificationModel } from "../models/model.ts";
import type { Objective } from "../objectives/objective.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { Evaluation } from "../train/trainer.ts";
import type { EncodedText } from "./encode-text.ts";
import type { TextColumns } from "./table-text.ts";

export interface TextTaskOptions {
  readonly tokenizer: Tokenizer;
  /** Longest text in tokens, special tokens included; 128 by default. Longer ones are cut. */
  readonly maxSeqLength?: number;
  /** Column of the text, by name or by number from 0, or two columns that are read together; `text` by default. */
  readonly textColumns?: TextColumns;
  /** `label` by default. */
  readonly labelColumn?: ColumnRef;
  /** Put several short texts into one row; true by default. */
  readonly packed?: boolean;
}

/** Options with their values. */
export interface TextTaskSettings {
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
  readonly textColumns: readonly ColumnRef[];
  readonly labelColumn: ColumnRef;
  readonly packed: boolean;
}

/** What config.json says of a task, by its keys. */
export type TaskFacts = Readonly<Record<string, string | readonly number[]>>;

/** A text and what is to be said of it. */
export interface LabelledText extends EncodedText {
  readonly label: number;
}

/** What a table holds for a task. */
export interface TextTaskData<E extends LabelledText = LabelledText> {
  /** The table's name. */
  readonly name: string;
  readonly examples: readonly E[];
  /** What is learnt, where that is not the examples one by one. */
  readonly training?: readonly LabelledText[] | undefined;
  /** Names of what the head gives, by number. */
  readonly labels: readonly string[];
  /** Examples that were longer than maxSeqLength. */
  readonly numTruncated: number;
  /** Rows left out for their label. */
  readonly numSkipped: number;
  /** What config.json says of the task, beside the names. */
  readonly facts?: TaskFacts | undefined;
}

export interface TableReading {
  /** Class names; those of the task, or else those found in the table, when left out. */
  readonly labels?: readonly string[] | undefined;
  /** The model's; BERT's when left out. */
  readonly framing?: Framing | undefined;
}

/** A task that reads its tables, is learnt as an objective, and counts how well. */
export interface TextTask<D extends TextTaskData, R extends { readonly loss: number }>
  extends Objective<LabelledText, ClassificationModel> {
  readonly settings: TextTaskSettings;
  /** The figures that a run logs and may be selected by; the first is the default. */
  readonly figures: readonly string[];
  /**
   * Reads a table of labelled texts.
   * @throws {FirthError} TOKENIZER_LACKS_TOKEN where the tokenizer lacks what the framing needs
   */
  read(source: TableSource, options?: TableReading): Promise<D>;
  /**
   * What scores say about labelled texts.
   * @param logits for each example of `data` its scores
   * @param facts what the training data said, see {@link TextTaskData.facts}
   */
  result(data: D, logits: readonly Float32Array[], facts: TaskFacts | undefined): R;
  /** The figures of a result that a training run logs. */
  trainingFigures(result: R): Evaluation;
}

/** Least length that holds two words and the special tokens of a pair. */
const MIN_LENGTH = 5;

/** Rules that options of all these tasks keep. */
export function textTaskIssues({
  maxSeqLength,
  textColumns,
  labelColumn,
}: Omit<TextTaskSettings, "tokenizer" | "packed">): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  if (!(Number.isInteger(maxSeqLength) && maxSeqLength >= MIN_LENGTH)) {
    const message = `must be a whole number ≥ ${MIN_LENGTH}; got ${maxSeqLength}.`;
    issues.push({ path: "maxSeqLength", message, code: "CONFIG_RANGE" });
  }
  if (textColumns.length < 1 || textColumns.length > 2) {
    const message = `must be one column or two; got ${textColumns.length}.`;
    issues.push({ path: "textColumns", message, code: "CONFIG_RANGE" });
  }
  if (textColumns.includes(labelColumn)) {
    const message = `must not be a text column; got ${labelColumn}.`;
    issues.push({ path: "labelColumn", message, code: "CONFIG_AMBIGUOUS" });
  }
  return issues;
}
