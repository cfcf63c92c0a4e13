/** @file What is known of an adapter beside its network and numbers: its settings, and the model that it belongs to. */
import { createHash } from "node:crypto";
import type { Module } from "../../nn/module.ts";
import type { Weights } from "../../nn/weights.ts";
import { isCarried } from "../model.ts";
import type { WeightEntry } from "../weight-map.ts";
import { attachAdapter, isAdapterParameter } from "./attach.ts";
import type { ResolvedAdapter } from "./option.ts";

/** The model whose weights stay. */
export interface AdapterBase {
  /** Its folder; undefined for one in memory. */
  readonly folder: string | undefined;
  /** Names its weights. */
  readonly fingerprint: string;
}

/** The adapter inside a network. */
export interface AdapterState {
  readonly options: ResolvedAdapter;
  readonly base: AdapterBase;
}

/** Numbers of each parameter that its name is made of. */
const SAMPLES = 64;

/** Names the weights that an adapter builds upon, by some numbers of each parameter; heads and pooler are no part of it. */
export function baseFingerprint(weights: Weights): string {
  const hash = createHash("sha256");
  const own = [...weights].filter(
    ([name]) => isCarried(name) && !isAdapterParameter(name) && !name.startsWith("encoder.pooler."),
  );
  for (const [name, data] of own.sort(([one], [other]) => (one < other ? -1 : 1))) {
    const stride = Math.max(1, Math.floor(data.length / SAMPLES));
    const length = Math.min(SAMPLES, data.length);
    hash.update(name).update(Float32Array.from({ length }, (_, i) => data[i * stride]!));
  }
  return hash.digest("hex").slice(0, 16);
}

/**
 * Puts an adapter into a new network, which begins with a model's weights.
 * @param base the model's weights, and its folder where there is one
 * @throws {ConfigError} ADAPTER_TARGET
 */
export function beginAdapter(
  module: Module,
  options: ResolvedAdapter,
  base: {
    readonly family: string;
    readonly map: readonly WeightEntry[];
    readonly weights: Weights;
    readonly folder: string | undefined;
  },
): AdapterState {
  attachAdapter(module, options, base);
  return { options, base: { folder: base.folder, fingerprint: baseFingerprint(base.weights) } };
}
