/** @file A family from its parts: settings, networks, and the names its files use. */
import { join } from "node:path";
import { CheckpointError, ConfigError, internalError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import type { ConfigFields, ConfigInput, ConfigOf } from "../formats/config-fields.ts";
import type { ConfigExtras, ConfigTable, ParsedConfig } from "../formats/config-table.ts";
import { formatJson } from "../formats/json-file.ts";
import type { JsonObject } from "../formats/json-text.ts";
import { openWeights, writeWeights } from "../formats/model-weights.ts";
import type { TensorFile } from "../formats/safetensors-reader.ts";
import type { Module } from "../nn/module.ts";
import { initialWeights } from "../nn/weights.ts";
import { hasAdapter } from "./adapter/attach.ts";
import { writeAdapter } from "./adapter/file.ts";
import { type AdapterFolder, openAdapterFolder, readModelConfig } from "./adapter/folder.ts";
import {
  applyAdapter,
  broughtEntries,
  headRows,
  headsOf,
  type OpenAdapter,
  ofAnotherModel,
  openAdapter,
} from "./adapter/load.ts";
import { configure, type Presets } from "./configure.ts";
import {
  type LoadedState,
  type ModelFamily,
  type ModelState,
  type NetworkPurpose,
  networkPurposes,
  type SaveOptions,
  type VocabularyFacts,
} from "./family.ts";
import type { Framing } from "./framing.ts";
import {
  type ChoiceModel,
  type ClassificationModel,
  isCarried,
  type NetworkFacts,
  type PretrainingModel,
  type TokenModel,
} from "./model.ts";
import { denseEntries, loadWeights, requireNames, storedTensors, type WeightEntry } from "./weight-map.ts";

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
  readonly tokenClassification?: NetworkDefinition<
    (config: ConfigOf<F>, numLabels: number, crf: boolean) => TokenModel
  >;
  readonly questionAnswering?: NetworkDefinition<(config: ConfigOf<F>) => TokenModel>;
  /** The network that scores one option of several, where transformers has one, and what its linear layer is called there. */
  readonly multipleChoice?: NetworkDefinition<(config: ConfigOf<F>) => ChoiceModel>;
  /** `classifier` by default. */
  readonly choiceHead?: string;
  /** Names of all tensors that models of the family may have, heads of words, answers and options left out. */
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

/** Tensors of the heads of words, answers and options, which families name alike. */
const headEntries = (choiceHead: string): readonly WeightEntry[] => [
  ...denseEntries("tokenClassifier", "classifier"),
  ...denseEntries("answerSpan", "qa_outputs"),
  { parameter: "crf.transitions", keys: ["crf.transitions"] },
  { parameter: "crf.startTransitions", keys: ["crf.start_transitions"] },
  { parameter: "crf.endTransitions", keys: ["crf.end_transitions"] },
  ...denseEntries("choice", choiceHead),
];

/** The names in a file of a bare encoder, which leaves the prefix out. */
function namesIn(file: TensorFile, prefix: string, map: readonly WeightEntry[]): readonly WeightEntry[] {
  if (prefix === "" || file.names.some((name) => name.startsWith(prefix))) return map;
  const bare = (keys: readonly string[]): string[] =>
    keys.map((key) => (key.startsWith(prefix) ? key.slice(prefix.length) : key));
  return map.map((entry) => ({ ...entry, keys: bare(entry.keys), aliases: (entry.aliases ?? []).map(bare) }));
}

/** Classes of a model that does not name them, as transformers writes two without names. */
const UNNAMED_LABELS = 2;

/** How many classes a head has: as many as are asked for, as the directory names, or as transformers means where it is silent. */
function labelCount(
  folder: string,
  numLabels: number | undefined,
  { labels, architectures, preserved }: ConfigExtras,
  architecture: string,
): number {
  const count = numLabels ?? labels?.length;
  if (count !== undefined) return count;
  const { num_labels: said } = preserved;
  if (architectures.includes(architecture)) return typeof said === "number" ? said : UNNAMED_LABELS;
  throw new CheckpointError("does not name its classes (id2label). Fine-tune it first, or say numLabels.", {
    code: "NOT_A_CLASSIFIER",
    path: join(folder, "config.json"),
  });
}

/** What a network is for, by its head. */
function purposeOfModule(module: Module): NetworkPurpose {
  if ("tokenLogits" in module) return (module as TokenModel).tokenHead;
  if ("isChoice" in module) return "multipleChoice";
  return "classificationLogits" in module ? "classification" : "pretraining";
}

/** Makes a family complete: configuring, loading and saving follow from its parts. */
export function defineFamily<F extends ConfigFields, P extends PretrainingModel, K extends ClassificationModel>(
  definition: FamilyDefinition<F, P, K>,
): DefinedFamily<F, P, K> {
  const { table, name, presets, prefix, ignoredTensors, choiceHead = "classifier" } = definition;
  type C = ConfigOf<F>;
  const weightMap = (config: C): readonly WeightEntry[] => [
    ...definition.weightMap(config),
    ...headEntries(choiceHead),
  ];

  const readConfig = async (folder: string, base?: string): Promise<ParsedConfig<F>> => {
    const { json, path, adapter } = await readModelConfig(folder, base);
    if (json.model_type === name) {
      const parsed = table.parse(json, path);
      return adapter === undefined ? parsed : { ...parsed, ...(await purposeFacts(adapter, parsed)) };
    }
    throw new CheckpointError(
      `model_type must be "${name}"; got ${JSON.stringify(json.model_type)}. Load it as the model that it is.`,
      { code: "MODEL_TYPE", path },
    );
  };

  /** What an adapter without a config.json is for: its class and classes. */
  const purposeFacts = async (folder: AdapterFolder, { config, labels }: ParsedConfig<F>) => {
    const { purpose = "pretraining" } = folder;
    const { architecture, mayBeNew } = need(purpose, definition[purpose]);
    const keys = weightMap(config).flatMap(({ parameter, keys: own }) =>
      mayBeNew.test(parameter) && !isCarried(parameter) ? own.filter((key) => key.endsWith(".weight")) : [],
    );
    const adapter = await openAdapter(folder);
    try {
      const rows = headRows(adapter, keys);
      const isNamed = rows === undefined || rows === labels?.length;
      const names = isNamed ? labels : Array.from({ length: rows }, (_, i) => `LABEL_${i}`);
      return { architectures: [architecture], labels: purpose === "pretraining" ? undefined : names };
    } finally {
      await adapter.file.close();
    }
  };

  /** The definition of a network that not every family has. */
  const need = <D>(purpose: NetworkPurpose, network: D | undefined): D => {
    if (network !== undefined) return network;
    const message = `the family ${name} has no network for ${purpose}: its part ${purpose} is missing. Use a family that has one, as bert.`;
    throw new ConfigError(name, [{ path: purpose, message, code: "HEAD_MISSING" }]);
  };

  /** The network for a purpose, built from all that any of them is built from. */
  const anyNetwork = (purpose: NetworkPurpose) =>
    need(purpose, definition[purpose]) as NetworkDefinition<(config: C, numLabels: number, crf: boolean) => Module>;

  const purposeOf = async (folder: string, base?: string): Promise<NetworkPurpose | undefined> => {
    const { architectures } = await readConfig(folder, base);
    return networkPurposes.find((purpose) => architectures.includes(definition[purpose]?.architecture ?? ""));
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
    build: (parsed: ParsedConfig<F>, file: Pick<TensorFile, "has">) => M,
    mayBeNew: (parameter: string) => boolean,
    base?: string,
  ): Promise<LoadedState<M, C>> => {
    const parsed = await readConfig(folder, base);
    const { config, labels, preserved, notice } = parsed;
    const place = await openAdapterFolder(folder, base);
    const file = await openWeights(place?.base ?? folder);
    let adapter: OpenAdapter | undefined;
    try {
      adapter = place && (await openAdapter(place));
      const heads = adapter === undefined ? file : headsOf(adapter);
      const module = build(parsed, heads);
      const whole = weightMap(config);
      requireNames(module, whole, name);
      const brought = new Set(adapter && broughtEntries(adapter, module, whole).map(({ parameter }) => parameter));
      const map = whole.filter(({ parameter }) => !brought.has(parameter));
      const own = new Set(whole.flatMap(({ keys, aliases = [] }) => [keys, ...aliases].flat()));
      const { weights, missing } = await loadWeights(file, {
        model: module,
        map: namesIn(file, prefix, map),
        fallback: initialWeights(module, seed),
        mayBeMissing: mayBeNew,
        // A head that this network lacks is another task's.
        mayBeUnused: (key) => [key, prefix + key].some((full) => own.has(full) || ignoredTensors.test(full)),
      });
      const notices = notice === undefined ? [] : [notice];
      const state = { family, config, module, weights, labels, preserved, newParameters: missing, notices };
      if (adapter === undefined) return state;
      const facts = { weights, map: whole, family: name };
      const { adapter: kept, ...adapted } = await applyAdapter(adapter, () => build(parsed, heads), facts);
      return { ...state, ...adapted, ...(kept === undefined ? {} : { adapter: kept }) };
    } catch (cause) {
      throw place === undefined ? cause : ofAnotherModel(cause, place);
    } finally {
      await file.close();
      await adapter?.file.close();
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
        (parsed) => {
          const { build, architecture } = definition.classification;
          return build(parsed.config, labelCount(folder, numLabels, parsed, architecture));
        },
        (parameter) => numLabels !== undefined && definition.classification.mayBeNew.test(parameter),
      ),
    tokenClassification: (config, numLabels, { crf = false } = {}) =>
      need("tokenClassification", definition.tokenClassification).build(config, numLabels, crf),
    questionAnswering: (config) => need("questionAnswering", definition.questionAnswering).build(config),
    multipleChoice: (config) => need("multipleChoice", definition.multipleChoice).build(config),
    loadTokenClassification: async (folder, seed, numLabels) => {
      const network = need("tokenClassification", definition.tokenClassification);
      if (numLabels === undefined) await checkPurpose(folder, "tokenClassification");
      const build = (parsed: ParsedConfig<F>, file: Pick<TensorFile, "has">) => {
        const count = labelCount(folder, numLabels, parsed, network.architecture);
        return network.build(parsed.config, count, file.has("crf.transitions"));
      };
      return load(folder, seed, build, (name) => numLabels !== undefined && network.mayBeNew.test(name));
    },
    loadQuestionAnswering: async (folder, seed, { isNew = false } = {}) => {
      const network = need("questionAnswering", definition.questionAnswering);
      if (!isNew) await checkPurpose(folder, "questionAnswering");
      const build = ({ config }: ParsedConfig<F>) => network.build(config);
      return load(folder, seed, build, (name) => isNew && network.mayBeNew.test(name));
    },
    loadMultipleChoice: async (folder, seed, { isNew = false } = {}) => {
      const network = need("multipleChoice", definition.multipleChoice);
      if (!isNew) await checkPurpose(folder, "multipleChoice");
      const build = ({ config }: ParsedConfig<F>) => network.build(config);
      return load(folder, seed, build, (name) => isNew && network.mayBeNew.test(name));
    },
    purposeOf,
    rebuild: <M extends Module>(module: M, config: C): M => {
      const { numLabels, numOutputs, crf } = module as Partial<Pick<K, "numLabels"> & TokenModel> & { crf?: unknown };
      const { build } = anyNetwork(purposeOfModule(module));
      return build(config, numLabels ?? numOutputs ?? 0, crf !== undefined) as M;
    },
    loadAny: async (folder, seed, { base } = {}) => {
      const purpose = (await purposeOf(folder, base)) ?? "pretraining";
      const { build, mayBeNew, architecture } = anyNetwork(purpose);
      const counts = purpose === "classification" || purpose === "tokenClassification";
      const make = (parsed: ParsedConfig<F>, file: Pick<TensorFile, "has">): Module => {
        const count = counts ? labelCount(folder, undefined, parsed, architecture) : 0;
        return build(parsed.config, count, file.has("crf.transitions"));
      };
      return load(folder, seed, make, (parameter) => purpose === "pretraining" && mayBeNew.test(parameter), base);
    },
    save: async (
      folder: string,
      { config, module, weights, preserved, adapter }: Omit<ModelState<Module, C>, "family">,
      { labels, maxShardBytes, omitted = [] }: SaveOptions = {},
    ) => {
      const purpose = purposeOfModule(module);
      const { architecture } = need(purpose, definition[purpose]);
      const json = table.serialize(config, {
        architectures: [architecture],
        ...(labels === undefined ? {} : { labels }),
        ...(preserved === undefined ? {} : { preserved }),
      });
      const map = weightMap(config);
      if (adapter === undefined) {
        if (hasAdapter(module)) throw internalError("a network with an adapter is saved without what is known of it");
        requireNames(module, map, name);
        const written = map.filter(({ parameter }) => !omitted.includes(parameter));
        await writeWeights(folder, storedTensors(module, weights, written), {
          ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
        });
      } else await writeAdapter(folder, { module, weights, adapter, purpose, map });
      if (definition.generation !== undefined && purpose === "pretraining") {
        await writeFileAtomic(join(folder, "generation_config.json"), formatJson(definition.generation(config)));
      }
      // Last: a folder is one of a model when its weights are there.
      await writeFileAtomic(join(folder, "config.json"), formatJson(json));
    },
  };
  return family;
}
