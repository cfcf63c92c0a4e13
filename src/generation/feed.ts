/** @file Tokens fed to a network in one run, as a graph. */
import type { ComputeDType, TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { tensorType } from "../ir/shape.ts";
import type { EncoderInputs, LayerCache, PastTokens, SourceStates } from "../models/model.ts";
import type { KeyValue } from "../nn/block-attention.ts";
import type { ForwardContext, Parameter } from "../nn/module.ts";
import { convert, iota, zeros } from "../tensor/elementwise.ts";
import { transpose } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Tensors, trace } from "../tensor/trace.ts";
import { type DTypePolicy, forwardContext, parameterTypes } from "../train/forward-graph.ts";
import type { WritingNetwork } from "./network.ts";

/** Static shape of a feed. Dims: R rows, W tokens fed a row, C tokens of the past, S tokens of the source. */
export interface FeedShape {
  readonly rows: number;
  readonly width: number;
  /** 0: there is no past. */
  readonly capacity: number;
  /** 0: there is no source. */
  readonly sourceWidth: number;
  /** Whether the source is encoded in this feed; else its keys and values are given. */
  readonly encodesSource: boolean;
}

/** What a feed's graph is traced for. */
export interface FeedTrace {
  readonly network: WritingNetwork;
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly quantized: ReadonlySet<string>;
  /** What the other parameters come in. */
  readonly weightDtype: ComputeDType;
  readonly policy: DTypePolicy;
  /** Type of kept keys and values `[R, N, C, D]` for R rows with room for C tokens; undefined in a first feed. */
  readonly cacheType: ((rows: number, capacity: number) => TensorType) | undefined;
}

const SWAP = [0, 2, 1, 3];
const kinds = ["key", "value"] as const;

/** Types of the inputs that are new in every feed. */
export function feedTypes(shape: FeedShape): Record<string, TensorType> {
  const { rows, width, capacity, sourceWidth, encodesSource } = shape;
  const integers = (...dims: number[]) => tensorType("i32", dims);
  const fed = ["inputIds", "sequenceIds", "positionIds", "tokenTypeIds", "attentionRanks"];
  return {
    ...Object.fromEntries(fed.map((name) => [name, integers(rows, width)])),
    places: integers(rows),
    ...(capacity === 0 ? {} : { pastIds: integers(rows, capacity), pastRanks: integers(rows, capacity) }),
    ...(sourceWidth === 0 ? {} : { sourceIds: integers(rows, sourceWidth) }),
    ...(encodesSource ? { sourceInputIds: integers(rows, sourceWidth) } : {}),
  };
}

/** Names of kept tensors in the order of `KeyValueCache.buffers`. */
export function cacheNames(group: "past" | "source" | "fresh" | "freshSource", numLayers: number): string[] {
  return Array.from({ length: numLayers }, (_, layer) => kinds.map((kind) => `${group}.${layer}.${kind}`)).flat();
}

/** A kept tensor `[R, N, C, D]` as attention takes it, `[R, C, N, D]`; and back. */
const swapHeads = (x: Tensor): Tensor => transpose(x, SWAP);

/** What a decoder looks at: the encoder's result, or its kept keys and values. */
function sourceStates(
  context: ForwardContext,
  { model }: WritingNetwork,
  { sourceIds, sourceInputIds }: Tensors,
  encodesSource: boolean,
): SourceStates {
  if (!encodesSource) return { states: undefined, sequenceIds: sourceIds! };
  const { lastHiddenState } = model.encoder.encode(context, {
    inputIds: sourceInputIds!,
    sequenceIds: sourceIds!,
    positionIds: iota(sourceIds!.shape, 1),
    tokenTypeIds: zeros(sourceIds!.shape, "i32"),
  });
  return { states: lastHiddenState, sequenceIds: sourceIds! };
}

/** Traces one feed; outputs are `logits [R, V]`, and the new keys and values `[R, N, W, D]`. */
export function traceFeed(
  shape: FeedShape,
  { network, parameters, quantized, weightDtype, policy, cacheType }: FeedTrace,
): Graph {
  const { rows, capacity, sourceWidth, encodesSource } = shape;
  const { numLayers } = network;
  const hasPast = capacity > 0;
  const keptTypes = (group: "past" | "source", room: number) =>
    Object.fromEntries(cacheNames(group, numLayers).map((name) => [name, cacheType!(rows, room)]));
  const own = [...parameters].flatMap(([name, parameter]) =>
    parameterTypes(name, parameter.shape, quantized.has(name), weightDtype).map(([key, type]) => [
      `parameter.${key}`,
      type,
    ]),
  );
  const inputs: Record<string, TensorType> = {
    ...(Object.fromEntries(own) as Record<string, TensorType>),
    ...feedTypes(shape),
    ...(hasPast ? keptTypes("past", capacity) : {}),
    ...(sourceWidth > 0 && !encodesSource ? keptTypes("source", sourceWidth) : {}),
  };
  return trace("write", inputs, (symbols: Tensors) => {
    const context = forwardContext(symbols, parameters, policy, { quantized });
    const outputs: Record<string, Tensor> = {};
    const keep = (group: "fresh" | "freshSource", layer: number, made: KeyValue): void => {
      for (const kind of kinds) outputs[`${group}.${layer}.${kind}`] = swapHeads(made[kind]);
    };
    const kept = (group: "past" | "source", layer: number): KeyValue => {
      const [key, value] = kinds.map((kind) => swapHeads(symbols[`${group}.${layer}.${kind}`]!)) as [Tensor, Tensor];
      return { key, value };
    };
    const caches = Array.from(
      { length: numLayers },
      (_, layer): LayerCache => ({
        self: (fresh) => {
          keep("fresh", layer, fresh);
          return hasPast ? [kept("past", layer), fresh] : [fresh];
        },
        source: (compute) => {
          if (!encodesSource) return kept("source", layer);
          const made = compute();
          keep("freshSource", layer, made);
          return made;
        },
      }),
    );
    const tokens = hasPast ? { sequenceIds: symbols.pastIds!, attentionRanks: symbols.pastRanks! } : undefined;
    const past: PastTokens = { tokens, caches };
    const source = sourceWidth === 0 ? undefined : sourceStates(context, network, symbols, encodesSource);
    const fed = symbols as unknown as EncoderInputs;
    const logits = network.scores(context, fed, { places: symbols.places!, past, source });
    return { logits: logits.dtype === "f32" ? logits : convert(logits, "f32"), ...outputs };
  });
}
