/** @file Keys and values that a file takes and gives, step for step. */
import { internalError } from "../base/errors.ts";
import { tensorType } from "../ir/shape.ts";
import type { LayerCache } from "../models/model.ts";
import type { KeyValue } from "../nn/block-attention.ts";
import type { ForwardContext, Parameter } from "../nn/module.ts";
import { concatenate, transpose } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Tensors, trace } from "../tensor/trace.ts";
import { forwardContext } from "../train/forward-graph.ts";
import type { FileInput } from "./program.ts";

const kinds = ["key", "value"] as const;
const SWAP = [0, 2, 1, 3];

/** `[B, N, T, D]`, as files have it, ↔ `[B, T, N, D]`. */
const swapHeads = (x: Tensor): Tensor => transpose(x, SWAP);

/** Heads of a layer and their size. */
export interface HeadShape {
  readonly heads: number;
  readonly size: number;
}

/** Part of the names of a layer's tensors: none in models of one stack. */
export type CacheGroup = "" | "decoder." | "encoder.";

const inputName = (layer: number, group: CacheGroup, kind: string) => `past_key_values.${layer}.${group}${kind}`;
const outputName = (layer: number, group: CacheGroup, kind: string) => `present.${layer}.${group}${kind}`;

/** The inputs that bring kept keys and values. */
export function cacheInputs(
  numLayers: number,
  groups: Readonly<Partial<Record<CacheGroup, string>>>,
  { heads, size }: HeadShape,
): Record<string, FileInput> {
  const entries = Array.from({ length: numLayers }, (_, layer) =>
    Object.entries(groups).flatMap(([group, length]) =>
      kinds.map((kind): [string, FileInput] => {
        return [
          inputName(layer, group as CacheGroup, kind),
          { dtype: "f32", dims: ["batch_size", heads, length!, size] },
        ];
      }),
    ),
  );
  return Object.fromEntries(entries.flat());
}

/** Reads and writes the kept keys and values of a traced program. */
export class CachePorts {
  readonly outputs: Record<string, Tensor> = {};
  private readonly symbols: Tensors;

  constructor(symbols: Tensors) {
    this.symbols = symbols;
  }

  private given(layer: number, group: CacheGroup): KeyValue | undefined {
    const [key, value] = kinds.map((kind) => this.symbols[inputName(layer, group, kind)]);
    return key === undefined || value === undefined ? undefined : { key, value };
  }

  private keep(layer: number, group: CacheGroup, kept: KeyValue): KeyValue {
    for (const kind of kinds) this.outputs[outputName(layer, group, kind)] = kept[kind];
    return { key: swapHeads(kept.key), value: swapHeads(kept.value) };
  }

  /** The cache of a layer: tokens' own keys and values, and those of the source where it looks at one. */
  layer(layer: number, own: CacheGroup): LayerCache {
    return {
      self: (fresh) => {
        const past = this.given(layer, own);
        const join = (kind: "key" | "value"): Tensor => {
          const added = swapHeads(fresh[kind]);
          return past === undefined ? added : concatenate([past[kind], added], 2);
        };
        return [this.keep(layer, own, { key: join("key"), value: join("value") })];
      },
      source: (compute) => {
        const kept = this.given(layer, "encoder.");
        if (kept !== undefined) return { key: swapHeads(kept.key), value: swapHeads(kept.value) };
        const { key, value } = compute();
        return this.keep(layer, "encoder.", { key: swapHeads(key), value: swapHeads(value) });
      },
    };
  }
}

/**
 * Heads of a network's layers, found by tracing it.
 * @param run runs the network with the given cache in each layer
 */
export function findHeadShape(
  parameters: ReadonlyMap<string, Parameter>,
  run: (context: ForwardContext, cache: LayerCache) => Tensor,
): HeadShape {
  let found: HeadShape | undefined;
  const cache: LayerCache = {
    self: (fresh) => {
      found = { heads: fresh.key.dim(2), size: fresh.key.dim(3) };
      return [fresh];
    },
    source: (compute) => compute(),
  };
  const types = [...parameters].map(([name, { shape }]) => [`parameter.${name}`, tensorType("f32", shape)] as const);
  trace("heads", Object.fromEntries(types), (symbols: Tensors) => ({
    hidden: run(forwardContext(symbols, parameters, { compute: "f32" }), cache),
  }));
  if (found === undefined) throw internalError("the network has no layer that keeps keys");
  return found;
}
