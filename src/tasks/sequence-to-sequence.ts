/** @file Learning to write: summaries, translations, questions, from tables of texts and their targets. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import type { PretrainingModel } from "../models/model.ts";
import { textEnds } from "../objectives/special-token.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { readTextPairs, type TextPairData } from "./sequence-to-sequence-data.ts";
import { decodedTarget, maskedTarget, type WritingObjective, type WritingSettings } from "./written-target.ts";

export interface SequenceToSequenceOptions {
  readonly tokenizer: Tokenizer;
  /** Column of the text that is read, by name or by number from 0; `source` by default. */
  readonly sourceColumn?: ColumnRef;
  /** Column of the text that is written; `target` by default. */
  readonly targetColumn?: ColumnRef;
  /** Longest source in tokens, special tokens included; 128 by default. Longer ones are cut. */
  readonly maxSourceLength?: number;
  /** Longest target in tokens, special tokens included; 64 by default. Longer ones are cut. */
  readonly maxTargetLength?: number;
  /** Share of a label that is spread over the vocabulary in training; 0 by default. */
  readonly labelSmoothing?: number;
  /** For encoders alone (UniLM): share of a target's tokens that is masked; 0.7 by default. */
  readonly targetMaskProbability?: number;
  /** Put several short texts into one row; true by default. */
  readonly packed?: boolean;
}

/** All options of a task, with their values. */
export interface SequenceToSequenceSettings extends WritingSettings {
  readonly sourceColumn: ColumnRef;
  readonly targetColumn: ColumnRef;
}

/** A task that reads its tables, and is learnt by each kind of network in its own way. */
export interface SequenceToSequence {
  readonly name: "sequenceToSequence";
  readonly settings: SequenceToSequenceSettings;
  read(source: TableSource): Promise<TextPairData>;
  /** What a model lacks for it; paths begin with `model.` or `task.`. */
  modelIssues(model: PretrainingModel): readonly ConfigIssue[];
  /** What a model learns; its term is `target`, nats per token. */
  objectiveFor(model: PretrainingModel): WritingObjective;
}

/** Least length that holds a word and the special tokens around it. */
const MIN_LENGTH = 3;

function resolve(options: SequenceToSequenceOptions): SequenceToSequenceSettings {
  const { tokenizer, sourceColumn = "source", targetColumn = "target", packed = true } = options;
  const { maxSourceLength = 128, maxTargetLength = 64, labelSmoothing = 0, targetMaskProbability = 0.7 } = options;
  const issues: ConfigIssue[] = [];
  for (const [path, length] of Object.entries({ maxSourceLength, maxTargetLength })) {
    if (Number.isInteger(length) && length >= MIN_LENGTH) continue;
    issues.push({ path, message: `must be a whole number ≥ ${MIN_LENGTH}; got ${length}.`, code: "CONFIG_RANGE" });
  }
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    const message = `must lie in [0, 1); got ${labelSmoothing}. Usual is 0.1, or 0 for none.`;
    issues.push({ path: "labelSmoothing", message, code: "CONFIG_RANGE" });
  }
  if (!(targetMaskProbability > 0 && targetMaskProbability <= 1)) {
    const message = `must lie in (0, 1]; got ${targetMaskProbability}.`;
    issues.push({ path: "targetMaskProbability", message, code: "CONFIG_RANGE" });
  }
  if (sourceColumn === targetColumn) {
    const message = `must not be the source's column; got ${targetColumn} for both.`;
    issues.push({ path: "targetColumn", message, code: "CONFIG_AMBIGUOUS" });
  }
  if (issues.length > 0) throw new ConfigError("sequenceToSequence", issues);
  textEnds(tokenizer, "sequenceToSequence");
  const lengths = { maxSourceLength, maxTargetLength };
  return { tokenizer, sourceColumn, targetColumn, ...lengths, labelSmoothing, targetMaskProbability, packed };
}

/** Why a model cannot learn to write by these settings. */
function issuesOf(model: PretrainingModel, settings: SequenceToSequenceSettings): ConfigIssue[] {
  const { encoder, decoder } = model;
  const { maxSourceLength, maxTargetLength } = settings;
  const issues: ConfigIssue[] = [];
  const fits = (path: string, length: number, most: number, what: string): void => {
    if (length <= most) return;
    const message = `must be at most ${what}; got ${length} and ${most}.`;
    issues.push({ path, message, code: "SEQUENCE_TOO_LONG" });
  };
  if (decoder === undefined) {
    if (encoder.isCausal || model.maskedLmLogits === undefined) {
      const message =
        "has neither a decoder nor a head for masked words, by one of which targets are written. Use an encoder–decoder or UniLM.";
      issues.push({ path: "model.decoder", message, code: "MODEL_LACKS_PART" });
    }
    const both = "the model's maxPositionEmbeddings less maxSourceLength, as both stand in one row";
    const most = encoder.maxPositionEmbeddings - maxSourceLength + 1;
    fits("task.maxTargetLength", maxTargetLength, most, both);
    return issues;
  }
  if (model.causalLmLogits === undefined) {
    issues.push({
      path: "model.causalLmLogits",
      message: "the model has no head for next words.",
      code: "MODEL_LACKS_PART",
    });
  }
  const positions = "the model's maxPositionEmbeddings";
  fits("task.maxSourceLength", maxSourceLength, encoder.maxPositionEmbeddings, positions);
  fits("task.maxTargetLength", maxTargetLength, decoder.maxPositionEmbeddings, positions);
  return issues;
}

/**
 * Writing a target for a source, learned from tables of both: by the decoder of an encoder–decoder (BART, MASS), or by
 * masked tokens of a target that stands behind its source (UniLM).
 * @throws {ConfigError} all problems together
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function sequenceToSequence(options: SequenceToSequenceOptions): SequenceToSequence {
  const settings = resolve(options);
  const { tokenizer, sourceColumn, targetColumn, maxSourceLength, maxTargetLength } = settings;
  return {
    name: "sequenceToSequence",
    settings,
    read: (source) =>
      readTextPairs(source, {
        ...{ tokenizer, sourceColumn, targetColumn },
        maxSourceTokens: maxSourceLength - 2,
        maxTargetTokens: maxTargetLength - 2,
      }),
    modelIssues: (model) => issuesOf(model, settings),
    objectiveFor: ({ encoder, decoder }) =>
      decoder === undefined
        ? maskedTarget(settings, encoder.typeVocabSize)
        : decodedTarget(settings, decoder.startTokenId),
  };
}
