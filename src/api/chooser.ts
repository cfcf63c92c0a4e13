/** @file Models that choose between options: loading, and what they say of questions. */
import { join } from "node:path";
import { ConfigError, DataError } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { familyOf } from "../models/families.ts";
import type { LoadedState } from "../models/family.ts";
import type { ChoiceModel } from "../models/model.ts";
import {
  type AskedChoice,
  type EncodedChoice,
  encodeChoices,
  encodedChoices,
  readChoices,
} from "../tasks/choice-data.ts";
import { type ChoiceResult, choiceResult, choiceScores } from "../tasks/choice-evaluation.ts";
import { argMax, softmax } from "../tasks/classification-evaluation.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import { quantizeIssues } from "../train/fixed-weights.ts";
import { choiceTaskFile, type GivenChoiceColumns, readChoiceColumns } from "./choice-columns.ts";
import { maxLengthIn, saveClassifier } from "./load.ts";
import type { TextModel } from "./model.ts";
import { type OpenOptions, openModel } from "./opened.ts";

/** A model that scores a question with each of its options. */
export interface Chooser extends TextModel<ChoiceModel> {
  /** Longest text in tokens that it was fine-tuned with. */
  readonly maxSeqLength: number;
  /** Where the tables of its training have questions and options; the task's usual columns where left out. */
  readonly columns?: GivenChoiceColumns | undefined;
}

export interface LoadedChooser extends Chooser, Omit<LoadedState<ChoiceModel>, "labels"> {}

/**
 * Loads the directory of a model that chooses between options (`…ForMultipleChoice`, GPT's `…DoubleHeadsModel`).
 * @throws {CheckpointError} WRONG_HEAD, and for missing or damaged files or tensors that do not fit
 */
export async function loadChooser(folder: string): Promise<LoadedChooser> {
  const family = await familyOf(folder);
  const { labels: _labels, ...state } = await family.loadMultipleChoice(folder, 0);
  const { maxPositionEmbeddings } = family.facts(state.config);
  return {
    ...state,
    tokenizer: await loadTokenizer(folder),
    maxSeqLength: Math.min(maxPositionEmbeddings, await maxLengthIn(folder)),
    columns: await readChoiceColumns(folder),
  };
}

/**
 * Writes a model that chooses as a Hugging Face model directory that {@link loadChooser} reads back, with its columns in
 * `task.json`.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveChooser(folder: string, chooser: Chooser): Promise<void> {
  await saveClassifier(folder, chooser, async (temporary) => {
    const [name, text] = choiceTaskFile(chooser.columns ?? {});
    await writeFileAtomic(join(temporary, name), text);
  });
}

/** What is chosen. */
export interface Choice {
  /** Number of the option, from 0. */
  readonly choice: number;
  /** Its text. */
  readonly option: string;
  /** Of each option; they sum to 1. */
  readonly probabilities: readonly number[];
}

/** What is chosen in a row of a table. */
export interface RowChoice extends Choice {
  /** The row's own fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the row's first line in the file, from 1. */
  readonly line: number;
}

export interface ChooseOptions extends OpenOptions {
  /** Texts of 128 tokens computed together, more where they are shorter; 32 by default. */
  readonly batchSize?: number | undefined;
}

/** A model that chooses, in an engine, ready for many calls; dispose it when done. */
export interface ChoicePredictor {
  /**
   * Choices in the order of the questions.
   * @throws {DataError} TEXT_EMPTY, OPTIONS_TOO_FEW
   */
  choose(questions: readonly AskedChoice[]): Promise<Choice[]>;
  /**
   * Choices for a table's rows, in their order and in constant memory; from the columns of training, unless others are said.
   * @throws {DataError} CELL_NOT_LIST, OPTIONS_TOO_FEW, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  chooseRows(source: TableSource, columns?: GivenChoiceColumns): AsyncGenerator<RowChoice>;
  /**
   * Figures on questions with their right options.
   * @throws {DataError} LABEL_UNKNOWN, LABEL_MISSING and as `chooseRows`
   */
  evaluate(source: TableSource, columns?: GivenChoiceColumns): Promise<ChoiceResult>;
  dispose(): Promise<void>;
}

export const usualColumns = {
  questionColumn: "question",
  optionColumns: ["options"],
  labelColumn: "label",
  firstLabel: 0,
};

/**
 * Puts a model that chooses between options into an engine.
 * @throws {ConfigError} for wrong options
 */
export async function openChooser(model: Chooser, options: ChooseOptions = {}): Promise<ChoicePredictor> {
  const { batchSize = 32, quantize = "none", dtype = "f32" } = options;
  const { tokenizer, module, family, maxSeqLength } = model;
  const own = { ...usualColumns, ...model.columns };
  const issues = quantizeIssues(quantize, dtype);
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
    const message = `must be a whole number ≥ 1; got ${batchSize}.`;
    issues.push({ path: "batchSize", message, code: "CONFIG_RANGE" });
  }
  if (issues.length > 0) throw new ConfigError("choose", issues);
  const encoding = { tokenizer, framing: family.framing, maxSeqLength };
  const padId = tokenizer.special.pad;
  const { program, check, dispose } = await openModel("chooser", model, options, (place) => {
    return new TextClassifierProgram({ ...place, model: module, batchSize, maxSeqLength, padId });
  });
  const chosen = async (asked: readonly AskedChoice[], encoded: readonly EncodedChoice[]): Promise<Choice[]> => {
    check();
    const scores = await choiceScores(program, encoded);
    return scores.map((options, i) => {
      const choice = argMax(options);
      return { choice, option: asked[i]!.options[choice]!, probabilities: [...softmax(options)] };
    });
  };
  return {
    choose: async (asked) => {
      const refuse = (question: number, code: string, rule: string): never => {
        throw new DataError(rule, { code, path: `questions[${question}]` });
      };
      asked.forEach(({ options: { length } }, i) => {
        if (length < 2) refuse(i, "OPTIONS_TOO_FEW", `needs two options at least; got ${length}. Add one.`);
      });
      const encoded = await encodeChoices(encoding, asked, (question) =>
        refuse(question, "TEXT_EMPTY", "the question or an option has no token. Leave it out."),
      );
      return chosen(asked, encoded);
    },
    chooseRows: async function* (source, columns = {}) {
      for await (const rows of encodedChoices(source, { ...own, ...columns, ...encoding })) {
        const choices = await chosen(
          rows.map(({ asked }) => asked),
          rows,
        );
        for (const [i, { row }] of rows.entries()) yield { fields: row.fields, line: row.line, ...choices[i]! };
      }
    },
    evaluate: async (source, columns = {}) => {
      check();
      const { examples } = await readChoices(source, { ...own, ...columns, ...encoding });
      return choiceResult(examples, await choiceScores(program, examples));
    },
    dispose,
  };
}

/**
 * Choices between options, in the order of the questions; for many calls open a chooser once.
 * @throws {DataError} TEXT_EMPTY, OPTIONS_TOO_FEW
 */
export async function choose(
  model: Chooser,
  questions: readonly AskedChoice[],
  options: ChooseOptions = {},
): Promise<Choice[]> {
  const chooser = await openChooser(model, options);
  try {
    return await chooser.choose(questions);
  } finally {
    await chooser.dispose();
  }
}
