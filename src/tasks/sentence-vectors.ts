/** @file One vector a text inside a traced graph, so that it can be learnt. */
import type { Batch } from "../data/batch.ts";
import { bucketWidth } from "../data/row-shape.ts";
import type { HostTensor } from "../ir/dtype.ts";
import type { Encoder, EncoderInputs } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { tokenTypes } from "../objectives/frame.ts";
import { integers, rowBatch } from "../objectives/row-batch.ts";
import { add, convert, div, mul, sqrt } from "../tensor/elementwise.ts";
import { gather, reshape } from "../tensor/movement.ts";
import { max, square, sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { EncodedText } from "./encode-text.ts";
import type { Pooling } from "./pooling.ts";

/** Added to what must not be the largest. */
const BLOCKED = -1e9;
/** Keeps a vector of zeros from being divided by its length. */
const LEAST_SQUARE = 1e-12;

export interface SentenceBatchOptions {
  readonly maxSeqLength: number;
  readonly padId: number;
  readonly packed: boolean;
  readonly pooling: Pooling;
}

/**
 * Texts in rows, and where their tokens stand. Dims: S texts, L tokens of the longest, rounded up.
 *
 * `tokenPlaces` i32 `[S, L]`: places over all rows, or `[S, 1]` where the first token alone is pooled; `tokenShares` f32
 * `[S, L]`: what each counts in the mean, or what is added to it before the largest is taken.
 */
export function sentenceBatch(
  texts: readonly EncodedText[],
  { maxSeqLength, padId, packed, pooling }: SentenceBatchOptions,
): Omit<Batch, "counts" | "lists"> {
  const rows = rowBatch(
    texts.map((text) => ({ tokens: text.tokens, tokenTypeIds: tokenTypes(text) })),
    { padId, packed, maxSeqLength },
  );
  const longest = texts.reduce((most, { tokens }) => Math.max(most, tokens.length), 1);
  const length = pooling === "cls" ? 1 : bucketWidth(longest, maxSeqLength);
  const places = new Int32Array(texts.length * length);
  const shares = new Float32Array(texts.length * length).fill(pooling === "max" ? BLOCKED : 0);
  texts.forEach(({ tokens }, text) => {
    const count = Math.min(tokens.length, length);
    for (let i = 0; i < count; i++) {
      places[text * length + i] = rows.starts[text]! + i;
      shares[text * length + i] = pooling === "max" ? 0 : 1 / count;
    }
  });
  const shape = [texts.length, length];
  const tokenShares: HostTensor = { dtype: "f32", shape, data: shares };
  return {
    tensors: { ...rows.tensors, tokenPlaces: integers(places, shape), tokenShares },
    numSequences: texts.length,
    numTokens: rows.numTokens,
    numPlaces: rows.numPlaces,
  };
}

/** The vectors f32 `[S, H]` of the texts of a {@link sentenceBatch}. */
export function sentenceVectors(
  encoder: Encoder,
  context: ForwardContext,
  batch: Readonly<Record<string, Tensor>>,
  pooling: Pooling,
): Tensor {
  const { tokenPlaces, tokenShares } = batch as Readonly<Record<"tokenPlaces" | "tokenShares", Tensor>>;
  const [texts, length] = tokenPlaces.shape as [number, number];
  const places = reshape(tokenPlaces, [texts * length]);
  if (pooling === "cls") {
    return convert(encoder.encodeAt(context, batch as unknown as EncoderInputs, places), "f32");
  }
  const { lastHiddenState } = encoder.encode(context, batch as unknown as EncoderInputs);
  const hidden = reshape(convert(lastHiddenState, "f32"), [-1, encoder.hiddenSize]);
  const tokens = reshape(gather(hidden, places), [texts, length, encoder.hiddenSize]);
  const shares = reshape(tokenShares, [texts, length, 1]);
  return pooling === "max" ? max(add(tokens, shares), 1) : sum(mul(tokens, shares), 1);
}

/** Vectors `[S, H]` of length 1. */
export function unitVectors(vectors: Tensor): Tensor {
  return div(vectors, sqrt(add(sum(square(vectors), 1, { keepDims: true }), LEAST_SQUARE)));
}
