import type { Module } from "../../nn/module.ts";
import { initialWeights } from "../../nn/weights.ts";
import type { ModelState } from "../family.ts";
import { isAdapterParameter } from "./attach.ts";
import type { ResolvedAdapter } from "./option.ts";
import { beginAdapter } from "./state.ts";

/**
 * What fine-tuning with an adapter begins with: the same network and weights, and the adapter's own inside.
 * @param state its network is changed: it must be a new one, which nothing else uses
 * @param options nothing is changed without any
 * @param start `seed` of the adapter's weights; `folder` of the model, where it has one
 * @throws {ConfigError} ADAPTER_TARGET
 */
export function withAdapter<M extends Module, C>(
  state: ModelState<M, C>,
  options: ResolvedAdapter | undefined,
  { seed, folder }: { readonly seed: number; readonly folder: string | undefined },
): ModelState<M, C> {
  if (options === undefined) return state;
  const { family, config, module, weights } = state;
  const map = family.weightMap(config);
  const adapter = beginAdapter(module, options, { family: family.name, map, weights, folder });
  const own = initialWeights(module, seed, isAdapterParameter);
  return { ...state, weights: new Map([...weights, ...own]), adapter };
}
