import type { ConfigFields } from "../formats/config-fields.ts";
import type { JsonObject } from "../formats/json-text.ts";
import type { Module } from "../nn/module.ts";
import { initialWeights, type Weights } from "../nn/weights.ts";
import type { AdapterState } from "./adapter/state.ts";
import type { Framing } from "./framing.ts";
import type { ChoiceModel, ClassificationModel, NetworkFacts, PretrainingModel, TokenModel } from "./model.ts";
import type { WeightEntry } from "./weight-map.ts";

/** A network of some family with its numbers, in host memory. */
export interface ModelState<M extends Module = Module, C = unknown> {
  readonly family: ModelFamily<C>;
  readonly config: C;
  readonly module: M;
  readonly weights: Weights;
  /** Keys of its config.json that Firth does not know, written back as they were. */
  readonly preserved?: JsonObject | undefined;
  /** What is known of the adapter inside the network, where there is one; saving then writes the adapter, not the weights. */
  readonly adapter?: AdapterState | undefined;
}

/** What loading a model directory gives besides the model. */
export interface LoadedState<M extends Module, C = unknown> extends ModelState<M, C> {
  /** Class names, when the directory says them. */
  readonly labels: readonly string[] | undefined;
  /** Parameters the directory does not have, drawn anew from the seed. */
  readonly newParameters: readonly string[];
  /** What to tell the user once. */
  readonly notices: readonly string[];
}

/** What the networks of a family are for. */
export const networkPurposes = [
  "pretraining",
  "classification",
  "tokenClassification",
  "questionAnswering",
  "multipleChoice",
] as const;
export type NetworkPurpose = (typeof networkPurposes)[number];

/** What a configuration takes over from a tokenizer. */
export interface VocabularyFacts {
  readonly vocabSize: number;
  readonly special: {
    readonly pad: number;
    readonly cls?: number | undefined;
    readonly sep?: number | undefined;
    readonly mask?: number | undefined;
    readonly bos?: number | undefined;
    readonly eos?: number | undefined;
  };
}

/** Settings by name, as a recipe gives them; `preset` names a published size. */
export type FamilySettings = Readonly<Record<string, unknown>> & { readonly preset?: string | null | undefined };

/** All that Firth knows of one model family: how to configure, build, load and save its networks. */
export interface ModelFamily<C = unknown> {
  /** `model_type` of config.json. */
  readonly name: string;
  /** How texts become its sequences. */
  readonly framing: Framing;
  /** Its settings, and the published sizes. */
  readonly settings: ConfigFields;
  readonly presets: readonly string[];
  /**
   * A whole, checked configuration: the given settings over those of the preset over those of the vocabulary.
   * @throws {ConfigError} all problems together
   */
  configure(settings: FamilySettings, vocabulary?: VocabularyFacts): C;
  pretraining(config: C): PretrainingModel;
  classification(config: C, numLabels: number): ClassificationModel;
  /**
   * @param options `crf`: scores neighbouring classes too
   * @throws {ConfigError} HEAD_MISSING where the family has no such network
   */
  tokenClassification(config: C, numLabels: number, options?: { readonly crf?: boolean | undefined }): TokenModel;
  /** @throws {ConfigError} HEAD_MISSING where the family has no such network */
  questionAnswering(config: C): TokenModel;
  /** @throws {ConfigError} HEAD_MISSING where the family has no such network */
  multipleChoice(config: C): ChoiceModel;
  /** A network for the same as another, by another configuration. */
  rebuild<M extends Module>(module: M, config: C): M;
  /** Names of all tensors that its models may have. */
  weightMap(config: C): readonly WeightEntry[];
  /** Facts other parts need of a configuration. */
  facts(config: C): NetworkFacts;
  /** A pre-training model of a directory; heads it lacks are new. */
  loadPretraining(folder: string, seed: number): Promise<LoadedState<PretrainingModel, C>>;
  /** A classifier of a directory; `numLabels` allows a new head. */
  loadClassification(folder: string, seed: number, numLabels?: number): Promise<LoadedState<ClassificationModel, C>>;
  /** A tagger of a directory; `numLabels` allows a new head. */
  loadTokenClassification(folder: string, seed: number, numLabels?: number): Promise<LoadedState<TokenModel, C>>;
  /** An extractor of answers of a directory; `isNew` allows a new head. */
  loadQuestionAnswering(
    folder: string,
    seed: number,
    options?: { readonly isNew?: boolean },
  ): Promise<LoadedState<TokenModel, C>>;
  /** A network for options of a directory; `isNew` allows a new head. */
  loadMultipleChoice(
    folder: string,
    seed: number,
    options?: { readonly isNew?: boolean },
  ): Promise<LoadedState<ChoiceModel, C>>;
  /** What a directory's network is for, by the class its config.json names; undefined where that is none of ours. */
  purposeOf(folder: string): Promise<NetworkPurpose | undefined>;
  /**
   * The network that a directory is for, whatever that is; a pre-training model where its config.json does not say.
   * @param options `base`: the model of an adapter, if it is another than the adapter says
   */
  loadAny(
    folder: string,
    seed: number,
    options?: { readonly base?: string | undefined },
  ): Promise<LoadedState<Module, C>>;
  /** Writes config.json and the weights into an existing folder, as Hugging Face does. */
  save(folder: string, state: Omit<ModelState<Module, C>, "family">, options?: SaveOptions): Promise<void>;
}

export interface SaveOptions {
  /** Class names of a classifier. */
  readonly labels?: readonly string[] | undefined;
  readonly maxShardBytes?: number | undefined;
  /** Parameters that are not written, by their names: heads from a seed, which would look as if they had been trained. */
  readonly omitted?: readonly string[] | undefined;
}

/**
 * A new model of a family with its pre-training heads.
 * @param seed of the new weights
 */
export function newModel<C>(
  family: ModelFamily<C>,
  config: C,
  { seed }: { readonly seed: number },
): ModelState<PretrainingModel, C> {
  const module = family.pretraining(config);
  return { family, config, module, weights: initialWeights(module, seed) };
}
