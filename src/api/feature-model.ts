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
import { type EncodedText, emptyText, encodeTexts, type TextInput } from "../tasks/encode-text.ts";
import { FeatureHead, FeatureHeadProgram } from "../tasks/feature-head.ts";
import { type TokenPooling, tokenPoolings } from "../tasks/pooling.ts";
import { scoreRange } from "../tasks/regression-data.ts";
import { clampScore } from "../tasks/regression-evaluation.ts";
import { columnList, encodedRows, type TextColumns } from "../tasks/table-text.ts";
import { TextEmbeddingProgram } from "../tasks/text-embedding-program.ts";
import type { TaskFacts } from "../tasks/text-task.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { loadPretrained, maxLengthIn, writeMaxLength } from "./load.ts";
import { saveCarried } from "./model.ts";
import { openModel } from "./opened.ts";
import { classEvaluation, classOf, type LabelledRowOptions, type Prediction, type TableEvaluation } from "./predict.ts";
import { type ScoreEvaluation, scoreEvaluation } from "./predict-score.ts";
import { type PredictOptions, resolvePredict } from "./text-scorer.ts";

const settingsName = "feature_head.json";
/** The file of a head's weights. */
export const featureWeightsFile = "feature_head.safetensors";
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
  /** Parameters of the network that its folder lacks: nothing was learnt with them, and they are not saved. */
  readonly newParameters?: readonly string[] | undefined;
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
  /**
   * Figures on a table of labelled texts: of classes, or of numbers where the head gives these.
   * @throws {DataError} LABEL_UNKNOWN, LABEL_NOT_NUMBER, LABEL_MISSING, TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  evaluate(source: TableSource, options?: LabelledRowOptions): Promise<TableEvaluation | ScoreEvaluation>;
  dispose(): Promise<void>;
}

/** Whether a folder holds a head over vectors. */
export function isFeatureModel(folder: string): boolean {
  return existsSync(join(folder, settingsName));
}

/** The entries of a vector that a head reads. */
export function featureSize({ layers, poolings }: FeatureFacts, { hiddenSize }: Encoder): number {
  return layers.length * poolings.length * hiddenSize;
}

/** Puts an encoder and a head over its vectors into an engine. @throws {ConfigError} for wrong options */
export async function openFeaturePredictor(
  model: FeatureModel,
  options: PredictOptions = {},
): Promise<FeaturePredictor> {
  const { encoder: state, features, head, tokenizer, labels } = model;
  const { batchSize, maxSeqLength } = resolvePredict({ ...state, maxSeqLength: model.maxSeqLength }, options);
  const { encoder } = state.module;
  const encoding = { tokenizer, framing: state.family.framing, maxSeqLength };
  const { layers: layer, poolings: pooling } = features;
  const place = { encoder, layer, pooling, maxSeqLength, padId: tokenizer.special.pad, batchSize };
  const { program, check, dispose } = await openModel("predictor", state, options, async (where) => {
    const reader = new TextEmbeddingProgram({ ...where, ...place });
    // The head belongs to its encoder, whose engine it shares; it is computed as it was trained, in f32.
    const own = { module: head, weights: model.weights };
    const top = await openModel("head", own, { engine: where.backend }, (at) => new FeatureHeadProgram(at, head));
    return {
      embed: (texts: readonly EncodedText[]) => reader.embed(texts),
      score: (vectors: readonly Float32Array[]) =>
        top.program.logits(vectors.length, { read: (index, target, at) => target.set(vectors[index]!, at) }),
      dispose: async () => {
        await top.dispose();
        await reader.dispose();
      },
    };
  });
  const range = scoreRange(model.facts);
  const rawScores = async (texts: readonly EncodedText[]): Promise<Float32Array[]> => {
    check();
    return program.score(await program.embed(texts));
  };
  const scoresOf = async (texts: readonly EncodedText[]): Promise<Float32Array[]> => {
    const logits = await rawScores(texts);
    return labels.length > 1 ? logits : logits.map(([score]) => Float32Array.of(clampScore(score!, range)));
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
    evaluate: (source, reading) =>
      labels.length > 1
        ? classEvaluation({ labels, encoding, scores: rawScores }, source, reading)
        : scoreEvaluation({ encoding, scores: rawScores, range }, source, reading),
    dispose,
  };
}

/**
 * Writes an encoder's ordinary model directory, without the heads that it may have, and the head over its vectors beside it
 * (`feature_head.json`, `feature_head.safetensors`).
 * @param write adds files of one's own; all appear together or not at all
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE
 */
export async function saveFeatureModel(
  folder: string,
  model: FeatureModel,
  write: (temporary: string) => Promise<void> = async () => undefined,
): Promise<void> {
  const { encoder, newParameters, features, weights, labels, facts = null, tokenizer, maxSeqLength } = model;
  const parameters = namedParameters(model.head);
  await saveCarried(folder, { ...encoder, tokenizer, omitted: newParameters }, async (temporary) => {
    await writeMaxLength(temporary, maxSeqLength);
    const settings = { format: FORMAT, ...features, labels, facts };
    await writeFileAtomic(join(temporary, settingsName), formatJson(settings));
    const tensors = [...weights].map(([name, data]) => ({
      name,
      shape: parameters.get(name)!.shape,
      data,
      dtype: "F32" as const,
    }));
    await writeSafetensors(join(temporary, featureWeightsFile), tensors);
    await write(temporary);
  });
}

/** What a folder says of its head over vectors. */
export interface FeatureSettings extends Pick<FeatureModel, "labels" | "facts"> {
  readonly features: FeatureFacts;
}

/**
 * Reads what a folder says of its head over vectors.
 * @throws {CheckpointError} MISSING_FILE, FILE_CORRUPT
 */
export async function featureSettings(folder: string): Promise<FeatureSettings> {
  const path = join(folder, settingsName);
  const { format, labels, facts, ...features } = await readJsonObject(path);
  if (format !== FORMAT || !Array.isArray(labels)) {
    const message = `has format ${JSON.stringify(format)}; this version reads ${FORMAT}. Train the head again.`;
    throw new CheckpointError(message, { code: "FILE_CORRUPT", path });
  }
  const { layers, poolings } = features;
  const isFilled = (list: unknown, isRight: (item: unknown) => boolean): boolean =>
    Array.isArray(list) && list.length > 0 && list.every(isRight);
  const isLayer = (item: unknown): boolean => Number.isInteger(item) && Number(item) >= 0;
  const isPooling = (item: unknown): boolean => tokenPoolings.some((known) => known === item);
  if (!isFilled(layers, isLayer) || !isFilled(poolings, isPooling)) {
    const message = `must name layers from 0 on and poolings (${tokenPoolings.join(", ")}); got ${JSON.stringify({ layers, poolings })}. Train the head again.`;
    throw new CheckpointError(message, { code: "FILE_CORRUPT", path });
  }
  const said = facts === null || facts === undefined ? {} : { facts: facts as TaskFacts };
  return { labels: labels.map(String), features: features as unknown as FeatureFacts, ...said };
}

/**
 * Reads what {@link saveFeatureModel} wrote.
 * @throws {CheckpointError} MISSING_FILE, FILE_CORRUPT, MISSING_TENSOR, TENSOR_MISMATCH
 */
export async function loadFeatureModel(folder: string): Promise<FeatureModel> {
  const { labels, facts, features: own } = await featureSettings(folder);
  const { tokenizer, newParameters, ...encoder } = await loadPretrained(folder);
  const depth = encoder.module.encoder.numHiddenLayers;
  if (own.layers.some((layer) => layer > depth)) {
    const message = `must name layers from 0 to ${depth}; got ${own.layers.join(", ")}. Train the head again.`;
    throw new CheckpointError(message, { code: "FILE_CORRUPT", path: join(folder, settingsName) });
  }
  const size = featureSize(own, encoder.module.encoder);
  const head = new FeatureHead({ ...own, size, numLabels: labels.length });
  const file = await openSafetensors(join(folder, featureWeightsFile));
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
  const names = { labels, ...(facts === undefined ? {} : { facts }) };
  return { encoder, newParameters, features: own, head, weights, tokenizer, maxSeqLength: room, ...names };
}
