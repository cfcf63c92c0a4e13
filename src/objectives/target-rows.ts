/** @file Batches of encoder–decoders: rows of sources, and beside them the rows of what is to be written. */
import type { BatchList } from "../data/batch.ts";
import { packRows } from "../data/packing.ts";
import { fitRows, type RowLayout } from "../data/row-shape.ts";
import type { HostTensor } from "../ir/dtype.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { EncoderInputs, PretrainingModel } from "../models/model.ts";
import type { ForwardContext } from "../nn/module.ts";
import { zeros } from "../tensor/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { integers, type RowBatch, type RowBatchOptions, type RowSequence, rowBatch } from "./row-batch.ts";

/** What a decoder is given and what it is to answer, place by place. */
export interface TargetSequence {
  /** The token before each place. */
  readonly inputs: Int32Array;
  /** The token to be said there; −100 where none is. */
  readonly labels: Int32Array;
  /** Position of the first place; 0 unless given. */
  readonly firstPosition?: number;
}

/** A source and its target. */
export interface SequencePair {
  readonly source: RowSequence;
  readonly target: TargetSequence;
}

/** Tensors that {@link pairBatch} adds to those of the sources. Dims: R rows, T target tokens a row, P places. */
export type TargetTensors = Readonly<
  Record<
    /** i32 `[R, T]`. */
    | "targetInputIds"
    | "targetSequenceIds"
    | "targetPositionIds"
    /** i32 `[P]`: places over all target rows that are answered at, and the tokens to be said there. */
    | "targetPlaces"
    | "targetLabels",
    HostTensor
  >
>;

export interface PairBatch {
  readonly tensors: RowBatch["tensors"] & TargetTensors;
  readonly lists: Readonly<Record<"targetPlaces", BatchList>>;
  /** Tokens that are answered. */
  readonly numAnswered: number;
  readonly numTokens: number;
  readonly numPlaces: number;
}

/** Widths of a side are multiples of this share of the width that both fit into: few shapes, little padding. */
const WIDTH_STEPS = 8;

/** Tokens in the fullest row. */
function fullest(rows: RowLayout["rows"], lengthOf: (pair: number) => number): number {
  return rows.reduce(
    (most, row) =>
      Math.max(
        most,
        row.reduce((sum, pair) => sum + lengthOf(pair), 0),
      ),
    1,
  );
}

/** The narrowest width for one side of rows that both sides fit into. */
function sideWidth(least: number, width: number): number {
  const unit = Math.max(2, 2 * Math.round(width / WIDTH_STEPS / 2));
  return Math.max(least, Math.min(width, Math.ceil(least / unit) * unit));
}

/**
 * Lays pairs out in rows: row r of the targets holds the targets of the sources in row r, under the same sequence ids.
 * Rows are chosen for the longer sequence of each pair; each side is then as narrow as its tokens allow.
 * @throws {DataError} SEQUENCE_TOO_LONG, SEQUENCE_EMPTY
 */
export function pairBatch(pairs: readonly SequencePair[], options: RowBatchOptions): PairBatch {
  const { padId } = options;
  const sourceLength = (pair: number): number => pairs[pair]!.source.tokens.length;
  const targetLength = (pair: number): number => pairs[pair]!.target.inputs.length;
  const longer = pairs.map((_, pair) => Math.max(sourceLength(pair), targetLength(pair)));
  const layout = "layout" in options ? options.layout : fitRows(longer, options);
  const { rows, numRows } = layout;
  const side = (lengthOf: (pair: number) => number): number =>
    sideWidth(fullest(rows, lengthOf), Math.max(layout.width, fullest(rows, lengthOf)));

  const sources = rowBatch(
    pairs.map(({ source }) => source),
    { padId, layout: { rows, numRows, width: side(sourceLength) } },
  );
  const width = side(targetLength);
  const targets = packRows(
    pairs.map(({ target }) => target.inputs),
    { rows },
    { width, padId, numRows },
  );
  const numAnswered = pairs.reduce((sum, { target }) => sum + target.labels.filter((id) => id !== UNSCORED).length, 0);
  const numTokens = pairs.reduce((sum, { target }) => sum + target.inputs.length, sources.numTokens);
  // Room for all places: padding is little, and shapes are then as few as the rows'.
  const room = numRows * width;
  const places = new Int32Array(room);
  const labels = new Int32Array(room).fill(UNSCORED);
  let at = 0;
  pairs.forEach(({ target: { labels: own, firstPosition = 0 } }, pair) => {
    const start = targets.starts[pair]!;
    own.forEach((label, i) => {
      targets.positionIds[start + i] = firstPosition + i;
      if (label === UNSCORED) return;
      places[at] = start + i;
      labels[at++] = label;
    });
  });
  const shape = [numRows, width];
  return {
    tensors: {
      ...sources.tensors,
      targetInputIds: integers(targets.inputIds, shape),
      targetSequenceIds: integers(targets.sequenceIds, shape),
      targetPositionIds: integers(targets.positionIds, shape),
      targetPlaces: integers(places, [room]),
      targetLabels: integers(labels, [room]),
    },
    lists: { targetPlaces: { count: numAnswered, beside: { targetLabels: UNSCORED }, width } },
    numAnswered,
    numTokens,
    numPlaces: sources.numPlaces + numRows * width,
  };
}

/** The tokens one place to the right, behind a starting one; the last drops out. */
export function shiftRight(tokens: Int32Array, start: number): Int32Array {
  const shifted = new Int32Array(tokens.length);
  shifted[0] = start;
  shifted.set(tokens.subarray(0, -1), 1);
  return shifted;
}

/** The decoder's side of a batch, as it takes it. */
function targetInputs(batch: Readonly<Record<string, Tensor>>): EncoderInputs {
  const { targetInputIds, targetSequenceIds, targetPositionIds } = batch as Readonly<
    Record<keyof TargetTensors, Tensor>
  >;
  return {
    inputIds: targetInputIds,
    sequenceIds: targetSequenceIds,
    positionIds: targetPositionIds,
    tokenTypeIds: zeros(targetInputIds.shape, "i32"),
  };
}

/**
 * Scores over the vocabulary at every place that is answered at: the source is read, and the target written beside it.
 * @returns float `[P, V]`
 */
export function targetLogits(
  model: Required<Pick<PretrainingModel, "encoder" | "decoder" | "causalLmLogits">>,
  context: ForwardContext,
  batch: Readonly<Record<string, Tensor>>,
): Tensor {
  const { lastHiddenState } = model.encoder.encode(context, batch as unknown as EncoderInputs);
  const source = { states: lastHiddenState, sequenceIds: batch.sequenceIds! };
  const hidden = model.decoder!.decodeAt(context, targetInputs(batch), source, batch.targetPlaces!);
  return model.causalLmLogits(context, hidden);
}
