/** @file The classifier that fine-tuning begins with: an encoder that was pre-trained, and a new head. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { adapterConfigName } from "../models/adapter/file.ts";
import type { ResolvedAdapter } from "../models/adapter/option.ts";
import { withAdapter } from "../models/adapter/start.ts";
import { familyOf } from "../models/families.ts";
import type { ModelFamily, ModelState } from "../models/family.ts";
import { type ClassificationModel, type Encoder, isCarried, type TokenModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import type { TextTaskSettings } from "../tasks/text-task.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { type LanguageWeights, languageInMemory } from "./transfer-run.ts";

/** A model, a model with its tokenizer, or the folder of one. */
export type FinetuneStart = string | ModelState<Module & { readonly encoder: Encoder }>;

/** What fine-tuning starts from, in host memory. */
export interface Pretraining {
  /** Its folder, or what it is called. */
  readonly name: string;
  /** False, for a folder, when left out. */
  readonly isInMemory?: boolean | undefined;
  readonly state: ModelState;
  /** The model's own tokenizer, where it has one. */
  readonly tokenizer: Tokenizer | undefined;
  /** Class names, where it is a classifier. */
  readonly labels: readonly string[] | undefined;
  readonly notices: readonly string[];
  /** Its weights with the heads of its pre-training, where it has them. */
  readonly language?: LanguageWeights | undefined;
}

/** Tables may have a few rows more than there are tokens, to make their number round. */
const MAX_SPARE_ROWS = 127;

/** Heads other than a classifier's. */
type OtherHead = "tokenClassification" | "questionAnswering" | "multipleChoice";

function loadWithHead(family: ModelFamily, start: string, seed: number, head: OtherHead) {
  if (head === "tokenClassification") return family.loadTokenClassification(start, seed);
  if (head === "questionAnswering") return family.loadQuestionAnswering(start, seed);
  return family.loadMultipleChoice(start, seed);
}

/**
 * Reads what fine-tuning starts from.
 * @param head of the task, a classifier's when left out: a start that has such a head comes with it
 */
export async function openStart(start: FinetuneStart, seed: number, head?: OtherHead): Promise<Pretraining> {
  if (typeof start !== "string") {
    const { tokenizer, labels } = start as { readonly tokenizer?: Tokenizer; readonly labels?: readonly string[] };
    const { tokenHead } = start.module as Partial<TokenModel>;
    const hasHead = head === undefined ? "classificationLogits" in start.module : tokenHead === head;
    const found = { tokenizer, labels: hasHead ? labels : undefined, notices: [], language: languageInMemory(start) };
    return { name: "model", isInMemory: true, state: start, ...found };
  }
  const family = await familyOf(start);
  const tokenizer = hasTokenizer(start) ? await loadTokenizer(start) : undefined;
  const purpose = await family.purposeOf(start);
  if (head !== undefined && purpose === head) {
    const { labels, notices, newParameters: _none, ...state } = await loadWithHead(family, start, seed, head);
    return { name: start, state, tokenizer, labels, notices };
  }
  const { labels, notices, ...encoder } = await family.loadPretraining(start, seed);
  // Heads of other tasks have names for their classes too, and tensors of the same names as a classifier's.
  const isForClasses = head === undefined && (purpose === "classification" || purpose === undefined);
  const mayBeClassifier = labels !== undefined && isForClasses;
  const common = { name: start, tokenizer, notices, language: encoder };
  if (!mayBeClassifier) return { ...common, state: encoder, labels: undefined };
  const { newParameters, ...whole } = await family.loadClassification(start, seed, labels.length);
  const hasHead = newParameters.length === 0;
  return { ...common, state: whole, labels: hasHead ? labels : undefined };
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

/** Why texts do not fit into the model: longer than its places, or pairs that it cannot tell apart. */
export function lengthIssues(
  { state }: Pick<Pretraining, "state">,
  maxSeqLength: number,
  pairs?: { readonly path: string },
): ConfigIssue[] {
  const { maxPositionEmbeddings, typeVocabSize } = state.family.facts(state.config);
  const issues: ConfigIssue[] = [];
  if (maxSeqLength > maxPositionEmbeddings) {
    const message = `must be at most the model's maxPositionEmbeddings; got ${maxSeqLength} and ${maxPositionEmbeddings}. Set it to ${maxPositionEmbeddings} at most, or give the model more places (firth positions extend).`;
    issues.push({ path: "task.maxSeqLength", message, code: "SEQUENCE_TOO_LONG" });
  }
  if (pairs !== undefined && state.family.framing.typesSecond && typeVocabSize < 2) {
    const message = `two texts need a model with typeVocabSize 2; got ${typeVocabSize}.`;
    issues.push({ path: pairs.path, message, code: "CONFIG_RANGE" });
  }
  return issues;
}

/** Rules between model and task that are broken. */
export function fitIssues(
  opened: Pick<Pretraining, "state" | "tokenizer">,
  { tokenizer, maxSeqLength, textColumns }: TextTaskSettings,
): ConfigIssue[] {
  const pairs = textColumns.length > 1 ? { path: "task.textColumns" } : undefined;
  return [...vocabularyIssues(opened, tokenizer), ...lengthIssues(opened, maxSeqLength, pairs)];
}

/**
 * A network for a task with the weights that fine-tuning begins with: those of the model by name, its head where it is kept, all
 * else new from the seed.
 * @param module a new one; an adapter is put into it
 * @param options `keepsHead`: whether the model has this head already
 * @throws {ConfigError} ADAPTER_TARGET, ADAPTER_OF_ADAPTER
 */
export function startModel<M extends Module>(
  { state, name, isInMemory }: Pick<Pretraining, "state" | "name" | "isInMemory">,
  module: M,
  {
    seed,
    fromScratch,
    keepsHead,
    adapter,
  }: {
    readonly seed: number;
    readonly fromScratch: boolean;
    readonly keepsHead: boolean;
    readonly adapter?: ResolvedAdapter | undefined;
  },
): ModelState<M> {
  const { family, config } = state;
  const folder = isInMemory === true ? undefined : resolve(name);
  requireStart(state, folder, adapter);
  const fresh = initialWeights(module, seed);
  if (fromScratch) return { family, config, module, weights: fresh };
  const source = keepsHead ? state.weights : new Map([...state.weights].filter(([key]) => isCarried(key)));
  const begun = { family, config, module, weights: adoptWeights(fresh, source).weights };
  return withAdapter(begun, adapter, { seed, folder });
}

/**
 * An adapter is trained upon a model as it is, and a model with small networks inside is no start for anything else.
 * @throws {ConfigError} ADAPTER_OF_ADAPTER
 */
export function requireStart(
  state: ModelState,
  folder: string | undefined,
  adapter: ResolvedAdapter | undefined,
): void {
  const isAdapter = folder !== undefined && existsSync(join(folder, adapterConfigName));
  if (state.adapter === undefined && !(isAdapter && adapter !== undefined)) return;
  const message =
    state.adapter === undefined
      ? `cannot be trained upon the adapter ${folder}. Merge that one first (firth adapter merge).`
      : `the start has small networks inside its layers (${state.adapter.options.kind}), which nothing else can begin with. Start from the model that they belong to.`;
  throw new ConfigError("finetune", [{ path: "adapter", message, code: "ADAPTER_OF_ADAPTER" }]);
}

/**
 * The network and weights that fine-tuning begins with. The encoder's weights are those of the model, by name; a
 * head is kept where it is for the same classes, else new.
 * @param fromScratch new weights for everything: the control
 */
export function startClassifier(
  opened: Pretraining,
  labels: readonly string[],
  options: { readonly seed: number; readonly fromScratch: boolean; readonly adapter?: ResolvedAdapter | undefined },
): ModelState<ClassificationModel> {
  const { family, config } = opened.state;
  const module = family.classification(config, labels.length);
  return startModel(opened, module, { ...options, keepsHead: opened.labels?.join("\n") === labels.join("\n") });
}
