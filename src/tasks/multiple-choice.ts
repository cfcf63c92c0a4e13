/** @file The task: the right one of a question's options. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import { statisticDtype } from "../ir/dtype.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { bertFraming, type Framing } from "../models/framing.ts";
import type { ChoiceModel } from "../models/model.ts";
import type { Objective } from "../objectives/objective.ts";
import { integers, roomFor } from "../objectives/row-batch.ts";
import { compare, convert, select } from "../tensor/elementwise.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { gather, reshape } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import {
  type ChoiceColumns,
  type ChoiceData,
  type ChoiceExample,
  type ChoiceLabels,
  readChoices,
} from "./choice-data.ts";
import { textBatch } from "./classification-batch.ts";
import { classificationLogits } from "./text-classification.ts";

export interface MultipleChoiceOptions {
  readonly tokenizer: Tokenizer;
  /** Longest text in tokens: context, question and one option; 128 by default. Longer ones are cut, the longer part first. */
  readonly maxSeqLength?: number | undefined;
  /** Column of the text that the question is about; there is none when left out. */
  readonly contextColumn?: ColumnRef | undefined;
  /** `question` by default. */
  readonly questionColumn?: ColumnRef | undefined;
  /** One column of lists (`options` by default), or a column for each option. */
  readonly optionColumns?: ColumnRef | readonly ColumnRef[] | undefined;
  /** `label` by default: the right option's number, its letter (A, B, …) or its text. */
  readonly labelColumn?: ColumnRef | undefined;
  /** The number of the first option in the label column; 0 by default. */
  readonly firstLabel?: number | undefined;
  /** Put several short texts into one row; true by default. */
  readonly packed?: boolean | undefined;
}

/** All options of the task, with their values. */
export interface MultipleChoiceSettings extends ChoiceColumns, ChoiceLabels {
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
  readonly packed: boolean;
}

/** A task that reads questions with options and is learnt as an objective. */
export interface MultipleChoice extends Objective<ChoiceExample, ChoiceModel> {
  readonly settings: MultipleChoiceSettings;
  /** @param options the model's framing; BERT's when left out */
  read(source: TableSource, options?: { readonly framing?: Framing | undefined }): Promise<ChoiceData>;
}

/** Least length that holds two words and the special tokens of a pair. */
const MIN_LENGTH = 5;

function resolve(options: MultipleChoiceOptions): MultipleChoiceSettings {
  const { tokenizer, maxSeqLength = 128, contextColumn, questionColumn = "question", packed = true } = options;
  const { optionColumns: given = "options", labelColumn = "label", firstLabel = 0 } = options;
  const optionColumns = typeof given === "object" ? given : [given];
  const issues: ConfigIssue[] = [];
  if (!(Number.isInteger(maxSeqLength) && maxSeqLength >= MIN_LENGTH)) {
    const message = `must be a whole number ≥ ${MIN_LENGTH}; got ${maxSeqLength}.`;
    issues.push({ path: "maxSeqLength", message, code: "CONFIG_RANGE" });
  }
  if (!(Number.isInteger(firstLabel) && firstLabel >= 0)) {
    const message = `must be a whole number ≥ 0; got ${firstLabel}.`;
    issues.push({ path: "firstLabel", message, code: "CONFIG_RANGE" });
  }
  const named = { contextColumn, questionColumn, labelColumn };
  const columns: [string, ColumnRef][] = Object.entries(named).flatMap(([path, column]) =>
    column === undefined ? [] : [[path, column]],
  );
  columns.push(...optionColumns.map((column): [string, ColumnRef] => ["optionColumns", column]));
  if (optionColumns.length === 0) {
    issues.push({ path: "optionColumns", message: "must name a column; got none.", code: "CONFIG_RANGE" });
  }
  columns.forEach(([path, column], i) => {
    const other = columns.slice(0, i).find(([, earlier]) => earlier === column);
    if (other === undefined) return;
    const message = `must not be the column of ${other[0]} too; got ${column}.`;
    issues.push({ path, message, code: "CONFIG_AMBIGUOUS" });
  });
  if (issues.length > 0) throw new ConfigError("multipleChoice", issues);
  const context = contextColumn === undefined ? {} : { contextColumn };
  return { tokenizer, maxSeqLength, ...context, questionColumn, optionColumns, labelColumn, firstLabel, packed };
}

/** Added to nothing: the score of an option that is not there; e⁻¹⁰⁰⁰⁰ is 0 in f32. */
const ABSENT = -10_000;

/**
 * Multiple choice (SWAG, RACE, COPA): every option is read with its question, and a softmax goes over a question's scores,
 * however many options it has.
 *
 * The loss term is `multipleChoice`, nats per question. Batches cannot be divided into lanes: options of one question may lie in
 * several rows.
 * @throws {ConfigError} all problems together
 * @source Radford et al. 2018 §3.3; Devlin et al. 2019 §4.4, arXiv:1810.04805
 */
export function multipleChoice(options: MultipleChoiceOptions): MultipleChoice {
  const settings = resolve(options);
  const { tokenizer, maxSeqLength, packed } = settings;
  return {
    name: "multipleChoice",
    settings,
    read: (source, { framing = bertFraming } = {}) => readChoices(source, { ...settings, framing }),
    collate: (drawn) => {
      const examples = drawn.map(({ example }) => example);
      const texts = examples.flatMap(({ options: own }) => own);
      const batch = textBatch(texts, { maxSeqLength, packed, padId: tokenizer.special.pad });
      const room = roomFor(examples.length);
      const most = examples.reduce((count, { options: own }) => Math.max(count, own.length), 0);
      const [places, isOption] = [new Int32Array(room * most), new Int32Array(room * most)];
      const labels = new Int32Array(room).fill(UNSCORED);
      let text = 0;
      examples.forEach(({ options: own, label }, question) => {
        labels[question] = label;
        own.forEach((_, option) => {
          places[question * most + option] = text++;
          isOption[question * most + option] = 1;
        });
      });
      return {
        ...batch,
        tensors: {
          ...batch.tensors,
          optionTexts: integers(places, [room, most]),
          isOption: integers(isOption, [room, most]),
          labels: integers(labels, [room]),
        },
        counts: { questions: examples.length },
        numSequences: texts.length,
      };
    },
    loss: (model, context, batch) => {
      const { optionTexts, isOption, labels } = batch;
      const logits = reshape(classificationLogits(model, context, batch), [-1]);
      const scores = gather(convert(logits, statisticDtype(logits.dtype)), optionTexts!);
      const own = select(compare("eq", isOption!, 1), scores, ABSENT);
      const total = sum(crossEntropy(own, labels!));
      return { terms: { multipleChoice: { sum: total, count: "questions", weight: 1 } }, metrics: {} };
    },
  };
}
