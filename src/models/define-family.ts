/** @file A family from its parts: settings, networks, and the names its files use. */
import { join } from "node:path";
import { CheckpointError, ConfigError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import type { ConfigFields, ConfigInput, ConfigOf } from "../formats/config-fields.ts";
import type { ConfigTable, ParsedConfig } from "../formats/config-table.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import type { JsonObject } from "../formats/json-text.ts";
import { openWeights, writeWeights } from "../formats/model-weights.ts";
import type { TensorFile } from "../formats/safetensors-reader.ts";
import type { Module } from "../nn/module.ts";
import { initialWeights } from "../nn/weights.ts";
import { configure, type Presets } from "./configure.ts";
import type { LoadedState, ModelFamily, ModelState, NetworkPurpose, SaveOptions, VocabularyFacts } from "./family.ts";
import type { Framing } from "./framing.ts";
import type { ClassificationModel, NetworkFacts, PretrainingModel, TokenModel } from "./model.ts";
import { denseEntries, loadWeights, storedTensors, type WeightEntry } from "./weight-map.ts";

/** A network with heads, as files know it. */
export interface NetworkDefinition<B> {
  readonly build: B;
  /** Class name in config.json. */
  readonly architecture: string;
  /** Our names of the parameters that a directory may lack. */
  readonly mayBeNew: RegExp;
}

export interface FamilyDefinition<F extends ConfigFields, P extends PretrainingModel, K extends ClassificationModel> {
  readonly table: ConfigTable<F>;
  /** `model_type` of config.json. */
  readonly name: string;
  /** Published sizes. */
  readonly presets: Presets<F>;
  /** Settings that follow from others, for those not given. */
  readonly complete?: (input: ConfigInput<F>) => ConfigInput<F>;
  /** How texts become its sequences. */
  readonly framing: Framing;
  /** Settings that come with a tokenizer. */
  readonly fromVocabulary: (vocabulary: VocabularyFacts) => ConfigInput<F>;
  readonly facts: (config: ConfigOf<F>) => NetworkFacts;
  readonly pretraining: NetworkDefinition<(config: ConfigOf<F>) => P>;
  readonly classification: NetworkDefinition<(config: ConfigOf<F>, numLabels: number) => K>;
  /** Networks with a linear head over every token, where transformers has them for the family. */
  readonly tokenClassification?: NetworkDefinition<(config: ConfigOf<F>, numLabels: number) => TokenModel>;
  readonly questionAnswering?: NetworkDefinition<(config: ConfigOf<F>) => TokenModel>;
  /** Names of all tensors that models of the family may have, heads over every token left out. */
  readonly weightMap: (config: ConfigOf<F>) => readonly WeightEntry[];
  /** What the names of the encoder's tensors begin with; files of a bare encoder leave it out. */
  readonly prefix: string;
  /** What `generation_config.json` says of models that write: the ids that texts begin and end with. */
  readonly generation?: (config: ConfigOf<F>) => JsonObject;
  /** Tensors that files may have beside the parameters: copies of tied tensors, buffers, heads of other tasks. */
  readonly ignoredTensors: RegExp;
}

/** A family whose networks are known by their own types. */
export interface DefinedFamily<F extends ConfigFields, P extends PretrainingModel, K extends ClassificationModel>
  extends ModelFamily<ConfigOf<F>> {
  readonly weightMap: FamilyDefinition<F, P, K>["weightMap"];
  pretraining(config: ConfigOf<F>): P;
  classification(config: ConfigOf<F>, numLabels: number): K;
  loadPretraining(folder: string, seed: number): Promise<LoadedState<P, ConfigOf<F>>>;
  loadClassification(folder: string, seed: number, numLabels?: number): Promise<LoadedState<K, ConfigOf<F>>>;
}

/** Tensors of the heads over every token, alike in all families. */
const tokenHeadEntries: readonly WeightEntry[] = [
  ...denseEntries("tokenClassifier", "classifier"),
  ...denseEntries("answerSpan", "qa_outputs"),
];

/** The names in a file of a bare encoder, which leaves the prefix out. */
function namesIn(file: TensorFile, prefix: string, map: readonly WeightEntry[]): readonly WeightEntry[] {
  if (prefix === "" || file.names.some((name) => name.startsWith(prefix))) return map;
  const bare = (keys: readonly string[]): string[] =>
    keys.map((key) => (key.startsWith(prefix) ? key.slice(prefix.length) : key));
  return map.map((entry) => ({ ...entry, keys: bare(entry.keys), aliases: (entry.aliases ?? []).map(bare) }));
}

/** How many classes a head has: as many as are asked for, or as the directory names. */
function labelCount(folder: string, numLabels: number | undefined, labels: readonly string[] | undefined): number {
  const count = numLabels ?? labels?.length;
  if (count !== undefined) return count;
  throw new CheckpointError("does not name its classes (id2label). Fine-tune it first, or say numLabels.", {
    code: "NOT_A_CLASSIFIER",
    path: join(folder, "config.json"),
  });
}

/** What a network is for, by its head. */
function purposeOfModule(module: Module): NetworkPurpose {
  if ("tokenLogits" in module) return (module as TokenModel).tokenHead;
  return "classificationLogits" in module ? "classification" : "pretraining";
}

/** Makes a family complete: configuring, loading and saving follow from its parts. */
export function defineFamily<F extends ConfigFields, P extends PretrainingModel, K extends ClassificationModel>(
  definition: FamilyDefinition<F, P, K>,
): DefinedFamily<F, P, K> {
  const { table, name, presets, prefix, ignoredTensors } = definition;
  type C = ConfigOf<F>;
  const weightMap = (config: C): readonly WeightEntry[] => [...definition.weightMap(config), ...tokenHeadEntries];

  const readConfig = async (folder: string): Promise<ParsedConfig<F>> => {
    const path = join(folder, "config.json");
    const json = await readJsonObject(path);
    if (json.model_type === name) return table.parse(json, path);
    throw new CheckpointError(
      `model_type must be "${name}"; got ${JSON.stringify(json.model_type)}. Load it as the model that it is.`,
      { code: "MODEL_TYPE", path },
    );
  };

  /** The definition of a network that not every family has. */
  const need = <D>(purpose: NetworkPurpose, network: D | undefined): D => {
    if (network !== undefined) return network;
    const message = `the family ${name} has no network for ${purpose}: its part ${purpose} is missing. Use a family that has one, as bert.`;
    throw new ConfigError(name, [{ path: purpose, message, code: "HEAD_MISSING" }]);
  };

  const purposeOf = async (folder: string): Promise<NetworkPurpose | undefined> => {
    const { architectures } = await readConfig(folder);
    const purposes = ["pretraining", "classification", "tokenClassification", "questionAnswering"] as const;
    return purposes.find((purpose) => architectures.includes(definition[purpose]?.architecture ?? ""));
  };

  /** Heads of several tasks have tensors of the same names: a directory must be for the task that it is loaded for. */
  const checkPurpose = async (folder: string, purpose: NetworkPurpose): Promise<void> => {
    const actual = await purposeOf(folder);
    if (actual === purpose || actual === undefined) return;
    throw new CheckpointError(
      `must be a model for ${purpose}; got one for ${actual}. Fine-tune it for ${purpose} first.`,
      { code: "WRONG_HEAD", path: join(folder, "config.json"), details: { actual, purpose } },
    );
  };

  const load = async <M extends Module>(
    folder: string,
    seed: number,
    build: (parsed: ParsedConfig<F>) => M,
    mayBeNew: (parameter: string) => boolean,
  ): Promise<LoadedState<M, C>> => {
    const parsed = await readConfig(folder);
    const { config, labels, preserved, notice } = parsed;
    const module = build(parsed);
    const file = await openWeights(folder);
    try {
      const map = weightMap(config);
      const own = new Set(map.flatMap(({ keys, aliases = [] }) => [keys, ...aliases].flat()));
      const { weights, missing } = await loadWeights(file, {
        model: module,
        map: namesIn(file, prefix, map),
        fallback: initialWeights(module, seed),
        mayBeMissing: mayBeNew,
        // A head that this network lacks is another task's.
        mayBeUnused: (key) => [key, prefix + key].some((full) => own.has(full) || ignoredTensors.test(full)),
      });
      const notices = notice === undefined ? [] : [notice];
      return { family, config, module, weights, labels, preserved, newParameters: missing, notices };
    } finally {
      await file.close();
    }
  };

  const family: DefinedFamily<F, P, K> = {
    name,
    framing: definition.framing,
    settings: table.fields,
    presets: Object.keys(presets),
    weightMap,
    configure: (settings, vocabulary) =>
      configure(definition, settings, vocabulary === undefined ? undefined : definition.fromVocabulary(vocabulary)),
    facts: definition.facts,
    pretraining: definition.pretraining.build,
    classification: definition.classification.build,
    loadPretraining: (folder, seed) =>
      load(
        folder,
        seed,
        ({ config }) => definition.pretraining.build(config),
        (parameter) => definition.pretraining.mayBeNew.test(parameter),
      ),
    loadClassification: (folder, seed, numLabels) =>
      load(
        folder,
        seed,
        ({ config, labels }) => definition.classification.build(config, labelCount(folder, numLabels, labels)),
        (parameter) => numLabels !== undefined && definition.classification.mayBeNew.test(parameter),
      ),
    tokenClassification: (config, numLabels) =>
      need("tokenClassification", definition.tokenClassification).build(config, numLabels),
    questionAnswering: (config) => need("questionAnswering", definition.questionAnswering).build(config),
    loadTokenClassification: async (folder, seed, numLabels) => {
      const network = need("tokenClassification", definition.tokenClassification);
      if (numLabels === undefined) await checkPurpose(folder, "tokenClassification");
      const build = ({ config, labels }: ParsedConfig<F>) =>
        network.build(config, labelCount(folder, numLabels, labels));
      return load(folder, seed, build, (name) => numLabels !== undefined && network.mayBeNew.test(name));
    },
    loadQuestionAnswering: async (folder, seed, { isNew = false } = {}) => {
      const network = need("questionAnswering", definition.questionAnswering);
      if (!isNew) await checkPurpose(folder, "questionAnswering");
      const build = ({ config }: ParsedConfig<F>) => network.build(config);
      return load(folder, seed, build, (name) => isNew && network.mayBeNew.test(name));
    },
    purposeOf,
    save: async (
      folder: string,
      { config, module, weights, preserved }: Omit<ModelState<Module, C>, "family">,
      { labels, maxShardBytes }: SaveOptions = {},
    ) => {
      const purpose = purposeOfModule(module);
      const { architecture } = need(purpose, definition[purpose]);
      const json = table.serialize(config, {
        architectures: [architecture],
        ...(labels === undefined ? {} : { labels }),
        ...(preserved === undefined ? {} : { preserved }),
      });
      await writeFileAtomic(join(folder, "config.json"), formatJson(json));
      if (definition.generation !== undefined && purpose === "pretraining") {
        await writeFileAtomic(join(folder, "generation_config.json"), formatJson(definition.generation(config)));
      }
      await writeWeights(folder, storedTensors(module, weights, weightMap(config)), {
        ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
      });
    },
  };
  return family;
}
