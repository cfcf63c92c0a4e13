/** @file The classifier that fine-tuning begins with: an encoder that was pre-trained, and a new head. */
import type { ConfigIssue } from "../base/errors.ts";
import { familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import { type ClassificationModel, type Encoder, isCarried } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import type { TextTaskSettings } from "../tasks/text-task.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";

/** A model, a model with its tokenizer, or the folder of one. */
export type FinetuneStart = string | ModelState<Module & { readonly encoder: Encoder }>;

/** What fine-tuning starts from, in host memory. */
export interface Pretraining {
  readonly name: string;
  readonly state: ModelState;
  /** The model's own tokenizer, where it has one. */
  readonly tokenizer: Tokenizer | undefined;
  /** Class names, where it is a classifier. */
  readonly labels: readonly string[] | undefined;
  readonly notices: readonly string[];
}

/** Tables may have a few rows more than there are tokens, to make their number round. */
const MAX_SPARE_ROWS = 127;

/** Reads what fine-tuning starts from. */
export async function openStart(start: FinetuneStart, seed: number): Promise<Pretraining> {
  if (typeof start !== "string") {
    const { tokenizer, labels } = start as { readonly tokenizer?: Tokenizer; readonly labels?: readonly string[] };
    return { name: "model", state: start, tokenizer, labels, notices: [] };
  }
  const family = await familyOf(start);
  const tokenizer = hasTokenizer(start) ? await loadTokenizer(start) : undefined;
  const { labels, notices, ...encoder } = await family.loadPretraining(start, seed);
  if (labels === undefined) return { name: start, state: encoder, tokenizer, labels, notices };
  const { newParameters, ...whole } = await family.loadClassification(start, seed, labels.length);
  const hasHead = newParameters.length === 0;
  return { name: start, state: whole, tokenizer, labels: hasHead ? labels : undefined, notices };
}

/** Why a tokenizer is not the model's. */
export function vocabularyIssues(
  { state, tokenizer: own }: Pick<Pretraining, "state" | "tokenizer">,
  tokenizer: Tokenizer,
): ConfigIssue[] {
  const { vocabSize } = state.family.facts(state.config);
  const code = "VOCABULARY_MISMATCH";
  if (tokenizer.vocabSize > vocabSize || tokenizer.vocabSize + MAX_SPARE_ROWS < vocabSize) {
    const message = `has ${tokenizer.vocabSize} tokens, the model's vocabulary ${vocabSize}. Use the model's own tokenizer.`;
    return [{ path: "task.tokenizer", message, code }];
  }
  if (own === undefined || own.hash === tokenizer.hash) return [];
  const message = `has other tokens than the model's own (${tokenizer.hash.slice(0, 8)} and ${own.hash.slice(0, 8)}; ${tokenizer.vocabSize} and ${own.vocabSize} tokens). Use the model's own tokenizer.`;
  return [{ path: "task.tokenizer", message, code }];
}

/** Rules between model and task that are broken. */
export function fitIssues(
  opened: Pick<Pretraining, "state" | "tokenizer">,
  { tokenizer, maxSeqLength, textColumns }: TextTaskSettings,
): ConfigIssue[] {
  const { state } = opened;
  const { maxPositionEmbeddings, typeVocabSize } = state.family.facts(state.config);
  const issues = vocabularyIssues(opened, tokenizer);
  if (maxSeqLength > maxPositionEmbeddings) {
    const message = `must be at most the model's maxPositionEmbeddings; got ${maxSeqLength} and ${maxPositionEmbeddings}.`;
    issues.push({ path: "task.maxSeqLength", message, code: "SEQUENCE_TOO_LONG" });
  }
  if (textColumns.length > 1 && state.family.framing.typesSecond && typeVocabSize < 2) {
    const message = `two texts need a model with typeVocabSize 2; got ${typeVocabSize}.`;
    issues.push({ path: "task.textColumns", message, code: "CONFIG_RANGE" });
  }
  return issues;
}

/**
 * The network and weights that fine-tuning begins with. The encoder's weights are those of the model, by name; a
 * head is kept where it is for the same classes, else new.
 * @param fromScratch new weights for everything: the control
 */
export function startClassifier(
  { state, labels: oldLabels }: Pretraining,
  labels: readonly string[],
  { seed, fromScratch }: { readonly seed: number; readonly fromScratch: boolean },
): ModelState<ClassificationModel> {
  const { family, config } = state;
  const module = family.classification(config, labels.length);
  const fresh = initialWeights(module, seed);
  if (fromScratch) return { family, config, module, weights: fresh };
  const keepsHead = oldLabels?.join("\n") === labels.join("\n");
  const source = keepsHead ? state.weights : new Map([...state.weights].filter(([name]) => isCarried(name)));
  return { family, config, module, weights: adoptWeights(fresh, source).weights };
}
