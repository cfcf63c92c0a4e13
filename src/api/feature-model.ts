/** @file A head over an encoder's vectors: predicting with it, and its folder. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError, DataError } from "../base/errors.ts";
import type { TableRow, TableSource } from "../data/table.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import { openSafetensors } from "../formats/safetensors-reader.ts";
import { writeSafetensors } from "../formats/safetensors-writer.ts";
import { sizeOf } from "../ir/shape.ts";
import type { ModelState } from "../models/family.ts";
import type { Encoder } from "../models/model.ts";
import { type Module, namedParameters } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import { borrowEngine } from "../runtime.ts";
import { argMax, softmax } from "../tasks/classification-evaluation.ts";
import { type EncodedText, encodeTexts, type TextInput } from "../tasks/encode-text.ts";
import { FeatureHead, FeatureHeadProgram } from "../tasks/feature-head.ts";
import type { TokenPooling } from "../tasks/pooling.ts";
import { scoreRange } from "../tasks/regression-data.ts";
import { columnList, encodedRows, type TextColumns } from "../tasks/table-text.ts";
import { TextEmbeddingProgram } from "../tasks/text-embedding-program.ts";
import type { TaskFacts } from "../tasks/text-task.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { loadPretrained, maxLengthIn, saveClassifier } from "./load.ts";
import { type OpenOptions, openModel } from "./opened.ts";
import type { Prediction } from "./predict.ts";

const settingsName = "feature_head.json";
const weightsName = "feature_head.safetensors";
const FORMAT = 1;

/** What is read off an encoder, and what is put upon it, with values. */
export interface FeatureFacts {
  /** From 0, the embeddings' output. */
  readonly layers: readonly number[];
  readonly poolings: readonly TokenPooling[];
  readonly hiddenSize: number;
  readonly dropout: number;
}

/** An encoder as it was, and a head over its vectors. */
export interface FeatureModel {
  readonly encoder: ModelState<Module & { readonly encoder: Encoder }>;
  readonly features: FeatureFacts;
  readonly head: FeatureHead;
  /** Of the head. */
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
  /** Class names; one name where the head gives numbers. */
  readonly labels: readonly string[];
  /** What the training data said, as the range of a regression's numbers. */
  readonly facts?: TaskFacts | undefined;
}

/** Such a model in an engine, ready for many calls; dispose it when done. */
export interface FeaturePredictor {
  /**
   * Scores in the order of the texts, each `[numLabels]`.
   * @throws {DataError} TEXT_EMPTY
   */
  scores(texts: readonly TextInput[]): Promise<Float32Array[]>;
  /** Classes of texts, in their order. @throws {DataError} TEXT_EMPTY, NOT_A_CLASSIFIER where the head gives numbers */
  predict(texts: readonly TextInput[]): Promise<Prediction[]>;
  /**
   * A table's rows with their scores, in their order and in constant memory.
   * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  scoreRows(
    source: TableSource,
    textColumns: TextColumns,
  ): AsyncGenerator<{ readonly row: TableRow; readonly scores: Float32Array }>;
  dispose(): Promise<void>;
}

function emptyText(input: number): never {
  throw new DataError("the text is empty. Leave it out.", { code: "TEXT_EMPTY", path: `texts[${input}]` });
}

/** The class that scores say, and the shares of all. */
export function classOf(labels: readonly string[], logits: Float32Array): Prediction {
  const shares = softmax(logits);
  const probabilities = Object.fromEntries(labels.map((name, i) => [name, shares[i]!]));
  return { label: labels[argMax(logits)]!, probabilities };
}

/** Whether a folder holds a head over vectors. */
export function isFeatureModel(folder: string): boolean {
  return existsSync(join(folder, settingsName));
}

/** The entries of a vector that a head reads. */
export function featureSize({ layers, poolings }: FeatureFacts, { hiddenSize }: Encoder): number {
  return layers.length * poolings.length * hiddenSize;
}

/** Puts an encoder and a head over its vectors into an engine. */
export async function openFeaturePredictor(model: FeatureModel, options: OpenOptions = {}): Promise<FeaturePredictor> {
  const { encoder: state, features, head, tokenizer, maxSeqLength, labels } = model;
  const { encoder } = state.module;
  const encoding = { tokenizer, framing: state.family.framing, maxSeqLength };
  const { layers: layer, poolings: pooling } = features;
  const place = { encoder, layer, pooling, maxSeqLength, padId: tokenizer.special.pad, batchSize: 32 };
  const { backend, release } = await borrowEngine(options.engine, options.dtype ?? "f32");
  const own = { ...options, engine: backend };
  const reader = await openModel("predictor", state, own, (where) => new TextEmbeddingProgram({ ...where, ...place }));
  const top = await openModel("head", { module: head, weights: model.weights }, { engine: backend }, (where) => {
    return new FeatureHeadProgram(where, head);
  });
  const [low, high] = scoreRange(model.facts);
  const scoresOf = async (texts: readonly EncodedText[]): Promise<Float32Array[]> => {
    reader.check();
    const vectors = await reader.program.embed(texts);
    const logits = await top.program.logits(vectors.length, {
      read: (index, target, at) => target.set(vectors[index]!, at),
    });
    return labels.length > 1 ? logits : logits.map(([score]) => Float32Array.of(Math.min(high, Math.max(low, score!))));
  };
  const scores = async (texts: readonly TextInput[]): Promise<Float32Array[]> =>
    scoresOf(await encodeTexts(encoding, texts, emptyText));
  return {
    scores,
    scoreRows: async function* (source, textColumns) {
      for await (const rows of encodedRows(source, { ...encoding, textColumns: columnList(textColumns) })) {
        const all = await scoresOf(rows.map(({ text }) => text));
        for (const [i, { row }] of rows.entries()) yield { row, scores: all[i]! };
      }
    },
    predict: async (texts) => {
      if (labels.length === 1) {
        throw new DataError("the head gives numbers, not classes. Use scores.", {
          code: "NOT_A_CLASSIFIER",
          path: "predict",
        });
      }
      return (await scores(texts)).map((logits) => classOf(labels, logits));
    },
    dispose: async () => {
      await top.dispose();
      await reader.dispose();
      await release();
    },
  };
}

/**
 * Writes an encoder's ordinary model directory with the head beside it (`feature_head.json`, `feature_head.safetensors`).
 * @param write adds files of one's own; all appear together or not at all
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveFeatureModel(
  folder: string,
  model: FeatureModel,
  write: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  const { encoder, features, weights, labels, facts = null, tokenizer, maxSeqLength } = model;
  const parameters = namedParameters(model.head);
  await saveClassifier(folder, { ...encoder, tokenizer, maxSeqLength }, async (temporary) => {
    const settings = { format: FORMAT, ...features, labels, facts };
    await writeFileAtomic(join(temporary, settingsName), formatJson(settings));
    const tensors = [...weights].map(([name, data]) => ({
      name,
      shape: parameters.get(name)!.shape,
      data,
      dtype: "F32" as const,
    }));
    await writeSafetensors(join(temporary, weightsName), tensors);
    await write(temporary);
  });
}

/**
 * Reads what {@link saveFeatureModel} wrote.
 * @throws {CheckpointError} MISSING_FILE, FILE_CORRUPT, MISSING_TENSOR, TENSOR_MISMATCH
 */
export async function loadFeatureModel(folder: string): Promise<FeatureModel> {
  const path = join(folder, settingsName);
  const { format, labels, facts, ...features } = await readJsonObject(path);
  if (format !== FORMAT || !Array.isArray(labels)) {
    const message = `has format ${JSON.stringify(format)}; this version reads ${FORMAT}. Train the head again.`;
    throw new CheckpointError(message, { code: "FILE_CORRUPT", path });
  }
  const { tokenizer, ...encoder } = await loadPretrained(folder);
  const own = features as unknown as FeatureFacts;
  const size = featureSize(own, encoder.module.encoder);
  const head = new FeatureHead({ ...own, size, numLabels: labels.length });
  const file = await openSafetensors(join(folder, weightsName));
  const weights = new Map<string, Float32Array>();
  try {
    for (const [name, { shape }] of namedParameters(head)) {
      const data = new Float32Array(sizeOf(shape));
      await file.readInto(name, data);
      weights.set(name, data);
    }
  } finally {
    await file.close();
  }
  const room = Math.min(encoder.module.encoder.maxPositionEmbeddings, await maxLengthIn(folder));
  const said = facts === null || facts === undefined ? {} : { facts: facts as TaskFacts };
  return { encoder, features: own, head, weights, tokenizer, maxSeqLength: room, labels: labels.map(String), ...said };
}
