import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import type { Encoder } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { emptyText, encodeTexts, type TextInput } from "../tasks/encode-text.ts";
import { normalize, type Pooling, poolings } from "../tasks/pooling.ts";
import { columnList, encodedRows, type TextColumns } from "../tasks/table-text.ts";
import { TextEmbeddingProgram } from "../tasks/text-embedding-program.ts";
import { quantizeIssues } from "../train/fixed-weights.ts";
import type { TextModel } from "./model.ts";
import { type OpenOptions, openModel } from "./opened.ts";
import type { SentenceSettings } from "./sentence-files.ts";

/** Any model with an encoder: pre-trained, or fine-tuned. */
export type EmbeddingModel = TextModel<Module & { readonly encoder: Encoder }> & {
  /** How it was made to turn texts into vectors, where it was. */
  readonly sentence?: SentenceSettings | undefined;
};

export interface EmbedOptions extends OpenOptions {
  /** How the vectors of a text's tokens become one; the model's own way, or else `mean`, by default. */
  readonly pooling?: Pooling | undefined;
  /** Whether vectors are scaled to length 1, so that products are cosines; true by default. */
  readonly normalize?: boolean | undefined;
  /** Whose output is taken: 0 the embeddings', 1 the first layer's, −1 (the default) the last one's, −2 the one before. */
  readonly layer?: number | undefined;
  /** Texts of 128 tokens computed together, more where they are shorter; 32 by default. */
  readonly batchSize?: number | undefined;
  /** Longest text in tokens, special tokens included; the model's own limit by default. Longer ones are cut. */
  readonly maxSeqLength?: number | undefined;
}

/** A row of a table and its vector. */
export interface RowEmbedding {
  readonly vector: Float32Array;
  /** The row's own fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the row's first line in the file, from 1. */
  readonly line: number;
}

/** An encoder in an engine, ready for many calls; dispose it when done. */
export interface Embedder {
  /** Entries of a vector. */
  readonly size: number;
  /**
   * Vectors of texts, in their order.
   * @throws {DataError} TEXT_EMPTY
   */
  embed(texts: readonly TextInput[]): Promise<Float32Array[]>;
  /**
   * Vectors of a table's rows, in their order and in constant memory.
   * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
   */
  embedRows(
    source: TableSource,
    options?: { readonly textColumns?: TextColumns | undefined },
  ): AsyncGenerator<RowEmbedding>;
  dispose(): Promise<void>;
}

interface Resolved {
  readonly pooling: Pooling;
  readonly layer: number;
  readonly batchSize: number;
  readonly maxSeqLength: number;
}

function resolve(model: EmbeddingModel, options: EmbedOptions): Resolved {
  const { maxPositionEmbeddings: room, numHiddenLayers: depth } = model.family.facts(model.config);
  const { sentence } = model;
  const { pooling = sentence?.pooling ?? "mean", layer = -1, batchSize = 32 } = options;
  const { maxSeqLength = Math.min(room, sentence?.maxSeqLength ?? room) } = options;
  const issues: ConfigIssue[] = quantizeIssues(options.quantize ?? "none", options.dtype ?? "f32");
  const whole = (path: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    const range = most === Number.POSITIVE_INFINITY ? `≥ ${least}` : `from ${least} to ${most}`;
    issues.push({ path, message: `must be a whole number ${range}; got ${value}.`, code: "CONFIG_RANGE" });
  };
  whole("layer", layer, -depth - 1, depth);
  whole("batchSize", batchSize, 1, Number.POSITIVE_INFINITY);
  whole("maxSeqLength", maxSeqLength, 5, room);
  if (!poolings.includes(pooling)) {
    const message = `must be one of ${poolings.join(", ")}; got ${JSON.stringify(pooling)}.`;
    issues.push({ path: "pooling", message, code: "CONFIG_UNKNOWN_VALUE" });
  }
  if (issues.length > 0) throw new ConfigError("embed", issues);
  return { pooling, layer: layer < 0 ? depth + 1 + layer : layer, batchSize, maxSeqLength };
}

/**
 * Puts a model's encoder into an engine.
 * @throws {ConfigError} all problems together
 */
export async function openEmbedder(model: EmbeddingModel, options: EmbedOptions = {}): Promise<Embedder> {
  const settings = resolve(model, options);
  const { tokenizer } = model;
  const { encoder } = model.module;
  const encoding = { tokenizer, framing: model.family.framing, maxSeqLength: settings.maxSeqLength };
  const { normalize: isScaled = true } = options;
  const { program, check, dispose } = await openModel("embedder", model, options, (place) => {
    return new TextEmbeddingProgram({ ...place, encoder, ...settings, padId: tokenizer.special.pad });
  });

  const vectorsOf: TextEmbeddingProgram["embed"] = async (texts) => {
    check();
    const vectors = await program.embed(texts);
    return isScaled ? vectors.map(normalize) : vectors;
  };

  return {
    size: encoder.hiddenSize,
    embed: async (texts) => vectorsOf(await encodeTexts(encoding, texts, emptyText)),
    embedRows: async function* (source, { textColumns = "text" } = {}) {
      const reading = { ...encoding, textColumns: columnList(textColumns) };
      for await (const rows of encodedRows(source, reading)) {
        const vectors = await vectorsOf(rows.map(({ text }) => text));
        for (const [i, { row }] of rows.entries()) yield { fields: row.fields, line: row.line, vector: vectors[i]! };
      }
    },
    dispose,
  };
}

/**
 * Vectors of texts, in their order; for many calls open an embedder once.
 * @throws {DataError} TEXT_EMPTY
 * @throws {ConfigError} for wrong options
 */
export async function embed(
  model: EmbeddingModel,
  texts: readonly TextInput[],
  options: EmbedOptions = {},
): Promise<Float32Array[]> {
  const embedder = await openEmbedder(model, options);
  try {
    return await embedder.embed(texts);
  } finally {
    await embedder.dispose();
  }
}

/**
 * Vectors of a table's rows, in their order and in constant memory.
 * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, naming file and line
 * @throws {ConfigError} for wrong options
 */
export async function* embedRows(
  model: EmbeddingModel,
  source: TableSource,
  options: EmbedOptions & { readonly textColumns?: TextColumns | undefined } = {},
): AsyncGenerator<RowEmbedding> {
  const embedder = await openEmbedder(model, options);
  try {
    yield* embedder.embedRows(source, options);
  } finally {
    await embedder.dispose();
  }
}
