import { join } from "node:path";
import { CheckpointError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import type { ParsedConfig } from "../../formats/config-table.ts";
import { formatJson, readJsonObject } from "../../formats/json-file.ts";
import type { JsonObject } from "../../formats/json-text.ts";
import { openWeights, writeWeights } from "../../formats/model-weights.ts";
import type { Module } from "../../nn/module.ts";
import { initialWeights, type Weights } from "../../nn/weights.ts";
import { loadWeights, storedTensors, type WeightEntry } from "../weight-map.ts";
import { type BertConfig, bertConfigTable } from "./config.ts";
import { BertForPretraining, BertForSequenceClassification } from "./model.ts";

/** Weight and bias of a dense layer or, under its TensorFlow names too, of a LayerNorm. */
function pair(parameter: string, key: string, kind: "dense" | "norm" = "dense"): WeightEntry[] {
  return (["weight", "bias"] as const).map((part) => ({
    parameter: `${parameter}.${part}`,
    keys: [`${key}.${part}`],
    ...(kind === "norm" ? { aliases: [[`${key}.${part === "weight" ? "gamma" : "beta"}`]] } : {}),
  }));
}

function layerEntries(index: number): WeightEntry[] {
  const ours = `encoder.layers.${index}`;
  const theirs = `bert.encoder.layer.${index}`;
  return [
    ...(["weight", "bias"] as const).map((part) => ({
      parameter: `${ours}.attention.qkv.${part}`,
      keys: ["query", "key", "value"].map((name) => `${theirs}.attention.self.${name}.${part}`),
    })),
    ...pair(`${ours}.attentionOutput`, `${theirs}.attention.output.dense`),
    ...pair(`${ours}.attentionNorm`, `${theirs}.attention.output.LayerNorm`, "norm"),
    ...pair(`${ours}.intermediate`, `${theirs}.intermediate.dense`),
    ...pair(`${ours}.output`, `${theirs}.output.dense`),
    ...pair(`${ours}.outputNorm`, `${theirs}.output.LayerNorm`, "norm"),
  ];
}

/** Names of all tensors that BERT models may have, heads included. */
export function bertWeightMap(config: BertConfig): WeightEntry[] {
  const embeddings = "encoder.embeddings";
  return [
    ...(["word", "position", "token_type"] as const).map((kind) => ({
      parameter: `${embeddings}.${kind === "token_type" ? "tokenType" : kind}Embeddings.weight`,
      keys: [`bert.embeddings.${kind}_embeddings.weight`],
    })),
    ...pair(`${embeddings}.layerNorm`, "bert.embeddings.LayerNorm", "norm"),
    ...Array.from({ length: config.numHiddenLayers }, (_, i) => layerEntries(i)).flat(),
    ...pair("encoder.pooler", "bert.pooler.dense"),
    { parameter: "maskedLm.bias", keys: ["cls.predictions.bias"], aliases: [["cls.predictions.decoder.bias"]] },
    ...pair("maskedLm.dense", "cls.predictions.transform.dense"),
    ...pair("maskedLm.layerNorm", "cls.predictions.transform.LayerNorm", "norm"),
    ...pair("sequencePair", "cls.seq_relationship"),
    ...pair("classifier", "classifier"),
  ];
}

/** Copies of tied tensors and buffers that files may carry beside the parameters. */
const derivedKeys =
  /^(cls\.predictions\.decoder\.(weight|bias)|cls\.predictions\.bias|bert\.embeddings\.position_ids)$/;
const headKeys = /^(cls|classifier|qa_outputs|dropout)\./;

export interface LoadedBert<M extends Module> {
  readonly config: BertConfig;
  readonly model: M;
  readonly weights: Weights;
  /** Class names, when the directory says them. */
  readonly labels: readonly string[] | undefined;
  /** Keys of config.json that BERT does not know. */
  readonly preserved: JsonObject;
  /** Parameters that the directory does not have: drawn anew from the seed. */
  readonly newParameters: readonly string[];
  /** What to tell the user once, e.g. about unknown keys of config.json. */
  readonly notices: readonly string[];
}

async function readConfig(folder: string): Promise<ParsedConfig<typeof bertConfigTable.fields>> {
  const path = join(folder, "config.json");
  const json = await readJsonObject(path);
  if (json.model_type !== "bert") {
    throw new CheckpointError(
      `model_type must be "bert"; got ${JSON.stringify(json.model_type)}. This loader reads BERT only.`,
      {
        code: "MODEL_TYPE",
        path,
      },
    );
  }
  return bertConfigTable.parse(json, path);
}

async function load<M extends Module>(
  folder: string,
  seed: number,
  build: (parsed: ParsedConfig<typeof bertConfigTable.fields>) => M,
  isHead: (parameter: string) => boolean,
): Promise<LoadedBert<M>> {
  const parsed = await readConfig(folder);
  const model = build(parsed);
  const file = await openWeights(folder);
  try {
    // Some files (a bare BertModel's) name the encoder's tensors without the prefix.
    const bare = file.has("embeddings.word_embeddings.weight");
    const bareNames = (keys: readonly string[]): string[] => keys.map((key) => key.replace(/^bert\./, ""));
    const map = bertWeightMap(parsed.config).map((entry) =>
      bare ? { ...entry, keys: bareNames(entry.keys), aliases: (entry.aliases ?? []).map(bareNames) } : entry,
    );
    const { weights, missing } = await loadWeights(file, {
      model,
      map,
      fallback: initialWeights(model, seed),
      mayBeMissing: isHead,
      mayBeUnused: (key) =>
        derivedKeys.test(key) ||
        headKeys.test(key) ||
        key.endsWith("pooler.dense.weight") ||
        key.endsWith("pooler.dense.bias") ||
        key === "embeddings.position_ids",
    });
    return {
      config: parsed.config,
      model,
      weights,
      labels: parsed.labels,
      preserved: parsed.preserved,
      newParameters: missing,
      notices: parsed.notice === undefined ? [] : [parsed.notice],
    };
  } finally {
    await file.close();
  }
}

const isPretrainingHead = (parameter: string): boolean => /^(maskedLm|sequencePair|encoder\.pooler)\./.test(parameter);

/**
 * Loads a Hugging Face BERT directory with its pre-training heads; heads the directory lacks are new.
 * @param seed for the parameters that are new
 * @throws {CheckpointError} listing missing, unexpected and mis-shaped tensors
 */
export function loadBertForPretraining(folder: string, seed: number): Promise<LoadedBert<BertForPretraining>> {
  return load(folder, seed, ({ config }) => new BertForPretraining(config), isPretrainingHead);
}

/**
 * Loads a Hugging Face BERT directory as a classifier.
 * @param numLabels needed when the directory is not a classifier yet: its head is then new
 */
export function loadBertForSequenceClassification(
  folder: string,
  seed: number,
  numLabels?: number,
): Promise<LoadedBert<BertForSequenceClassification>> {
  return load(
    folder,
    seed,
    ({ config, labels }) => {
      const count = numLabels ?? labels?.length;
      if (count !== undefined) return new BertForSequenceClassification(config, count);
      throw new CheckpointError("does not name its classes (id2label). Fine-tune it first, or say numLabels.", {
        code: "NOT_A_CLASSIFIER",
        path: join(folder, "config.json"),
      });
    },
    (parameter) => numLabels !== undefined && /^(classifier|encoder\.pooler)\./.test(parameter),
  );
}

/** Whether a directory holds a classifier, by its config. */
export async function isBertClassifier(folder: string): Promise<boolean> {
  return (await readConfig(folder)).architectures.includes("BertForSequenceClassification");
}

/**
 * Writes `config.json` and the weights as Hugging Face does. Tied tensors are written once.
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveBert(
  folder: string,
  options: {
    readonly config: BertConfig;
    readonly model: BertForPretraining | BertForSequenceClassification;
    readonly weights: Weights;
    readonly labels?: readonly string[] | undefined;
    readonly preserved?: JsonObject | undefined;
    readonly maxShardBytes?: number;
  },
): Promise<void> {
  const { config, model, weights, labels, preserved, maxShardBytes } = options;
  const architecture = model instanceof BertForPretraining ? "BertForPreTraining" : "BertForSequenceClassification";
  const json = bertConfigTable.serialize(config, {
    architectures: [architecture],
    ...(labels === undefined ? {} : { labels }),
    ...(preserved === undefined ? {} : { preserved }),
  });
  await writeFileAtomic(join(folder, "config.json"), formatJson(json));
  await writeWeights(folder, storedTensors(model, weights, bertWeightMap(config)), {
    ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
  });
}
