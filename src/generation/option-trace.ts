/** @file Options behind their questions as one graph: what options share is computed once for all of them. */
import type { Batch } from "../data/batch.ts";
import type { TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { tensorType } from "../ir/shape.ts";
import type { EncoderInputs, LayerCache, PastTokens } from "../models/model.ts";
import type { KeyValue } from "../nn/block-attention.ts";
import type { ForwardContext } from "../nn/module.ts";
import { broadcastTo, full, iota } from "../tensor/elementwise.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { concatenate, expandDims, gather, reshape, transpose } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Tensors, trace } from "../tensor/trace.ts";
import type { ParameterSource } from "../train/fixed-weights.ts";
import { batchSymbols, type DTypePolicy, forwardContext, inputTypes } from "../train/forward-graph.ts";
import { cacheNames } from "./feed.ts";
import type { CacheLayout } from "./key-value-cache.ts";
import type { WritingNetwork } from "./network.ts";

/** Tokens that all questions begin with, by their keys and values `[1, N, C, D]`. */
export interface SharedPrefix {
  readonly length: number;
  readonly layout: CacheLayout;
}

export interface OptionTrace {
  readonly network: WritingNetwork;
  readonly store: ParameterSource;
  readonly policy: DTypePolicy;
  readonly prefix: SharedPrefix | undefined;
}

const SWAP = [0, 2, 1, 3];

/** Inputs `held.past.<layer>.<kind>`. */
function heldTypes(prefix: SharedPrefix | undefined): Record<string, TensorType> {
  if (prefix === undefined) return {};
  const { dtype, numLayers, numHeads, headSize } = prefix.layout;
  const type = tensorType(dtype, [1, numHeads, prefix.length, headSize]);
  return Object.fromEntries(cacheNames("past", numLayers).map((name) => [`held.${name}`, type]));
}

/** `[B, W]` with every row `count` times: `[B·count, W]`. */
function repeatRows(x: Tensor, count: number): Tensor {
  const [rows, width] = x.shape as [number, number];
  return reshape(broadcastTo(expandDims(x, 1), [rows, count, width]), [rows * count, width]);
}

/** Tokens in rows, of the batch's tensors that begin with a word. */
function rowsOf(batch: Tensors, group: "question" | "option" | "source"): EncoderInputs | undefined {
  const inputIds = batch[`${group}Ids`];
  if (inputIds === undefined) return undefined;
  const [sequenceIds, positionIds] = [batch[`${group}SequenceIds`]!, batch[`${group}Positions`]!];
  return { inputIds, sequenceIds, positionIds, tokenTypeIds: full(inputIds.shape, 0, "i32") };
}

/** The tokens of the prefix in so many rows, as attention sees them. */
function prefixPlaces(rows: number, length: number): NonNullable<PastTokens["tokens"]> {
  return { sequenceIds: full([rows, length], 1, "i32"), attentionRanks: iota([rows, length], 1) };
}

/** Those of the prefix, if any, and of each question's own tokens in front of its options. */
function placesBefore(rows: number, prefix: SharedPrefix | undefined, question: EncoderInputs) {
  const own = {
    sequenceIds: repeatRows(question.sequenceIds, rows / question.inputIds.dim(0)),
    attentionRanks: repeatRows(question.positionIds, rows / question.inputIds.dim(0)),
  };
  if (prefix === undefined) return own;
  const first = prefixPlaces(rows, prefix.length);
  return {
    sequenceIds: concatenate([first.sequenceIds, own.sequenceIds], 1),
    attentionRanks: concatenate([first.attentionRanks, own.attentionRanks], 1),
  };
}

/** A left-to-right network: options look at their question's keys and values, all at those of the prefix. */
function behindQuestions(context: ForwardContext, held: Tensors, batch: Tensors, options: OptionTrace): Tensors {
  const { network, prefix } = options;
  const question = rowsOf(batch, "question")!;
  const option = rowsOf(batch, "option");
  const prefixOf = (layer: number): readonly KeyValue[] => {
    if (prefix === undefined) return [];
    const [key, value] = (["key", "value"] as const).map((kind) => transpose(held[`past.${layer}.${kind}`]!, SWAP));
    return [{ key: key!, value: value! }];
  };
  const asked: KeyValue[] = [];
  const cachesOf = (before: (layer: number, fresh: KeyValue) => readonly KeyValue[]): LayerCache[] =>
    Array.from({ length: network.numLayers }, (_, layer) => ({
      self: (fresh) => before(layer, fresh),
      source: (compute) => compute(),
    }));
  const rows = question.inputIds.dim(0);
  const first = network.scores(context, question, {
    places: batch.questionPlaces!,
    past: {
      tokens: prefix && prefixPlaces(rows, prefix.length),
      caches: cachesOf((layer, fresh) => {
        asked[layer] = fresh;
        return [...prefixOf(layer), fresh];
      }),
    },
  });
  const firstLosses = crossEntropy(gather(first, batch.firstQuestions!), batch.firstLabels!);
  if (option === undefined) return { firstLosses };
  const further = network.scores(context, option, {
    places: batch.optionPlaces!,
    past: {
      tokens: placesBefore(option.inputIds.dim(0), prefix, question),
      caches: cachesOf((layer, fresh) => [...prefixOf(layer), asked[layer]!, fresh]),
    },
  });
  return { firstLosses, furtherLosses: crossEntropy(further, batch.furtherLabels!) };
}

/** An encoder–decoder: each question is encoded once for all its options. */
function forSources(context: ForwardContext, batch: Tensors, { network }: OptionTrace): Tensors {
  const source = rowsOf(batch, "source")!;
  const option = rowsOf(batch, "option")!;
  const { lastHiddenState } = network.model.encoder.encode(context, source);
  const sequenceIds = repeatRows(source.sequenceIds, option.inputIds.dim(0) / source.inputIds.dim(0));
  const view = { places: batch.optionPlaces!, source: { states: lastHiddenState, sequenceIds } };
  return { furtherLosses: crossEntropy(network.scores(context, option, view), batch.furtherLabels!) };
}

/** Traces the losses of a batch of questions' options; see `OptionScorer` for its tensors. */
export function traceOptions(batch: Batch, options: OptionTrace): Graph {
  const { network, store, policy, prefix } = options;
  const { parameters, quantized, dtype } = store;
  const inputs = { ...inputTypes(parameters, batch, quantized, dtype), ...heldTypes(prefix) };
  return trace("options", inputs, (symbols: Tensors) => {
    const context = forwardContext(symbols, parameters, policy, { quantized });
    const tensors = batchSymbols(symbols, batch);
    if (network.order === "encoderDecoder") return forSources(context, tensors, options);
    const held = Object.entries(symbols).flatMap(([name, x]) =>
      name.startsWith("held.") ? [[name.slice("held.".length), x] as const] : [],
    );
    return behindQuestions(context, Object.fromEntries(held), tensors, options);
  });
}
