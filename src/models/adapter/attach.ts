/** @file Puts adapters into a network that was just made, in the shared parts of all Transformers. */
import { ConfigError, internalError } from "../../base/errors.ts";
import { BottleneckAdapter, LowRankPair, LowRankUpdate } from "../../nn/adapter.ts";
import type { Linear } from "../../nn/layers.ts";
import { type Module, namedModules } from "../../nn/module.ts";
import { isCarried } from "../model.ts";
import { TransformerLayer } from "../transformer/layer.ts";
import type { WeightEntry } from "../weight-map.ts";
import type { LoraTarget, ResolvedAdapter } from "./option.ts";

/** A linear layer of a stack as the family's files have it: whole, or its outputs in equal parts. */
export interface AdaptableLinear {
  /** Its name, as parameters begin. */
  readonly path: string;
  readonly linear: Linear;
  /** What its parts are, in order. */
  readonly targets: readonly LoraTarget[];
}

/** The layers of all stacks of a network. */
function transformerLayersOf(module: Module): TransformerLayer[] {
  return [...namedModules(module).keys()].filter((item) => item instanceof TransformerLayer);
}

/**
 * The linear layers that low-rank changes can be made of, each once, also where several layers share it.
 * @param map names of the family's tensors: what lies there in one matrix is changed as one
 */
export function adaptableLinears(module: Module, map: readonly WeightEntry[]): AdaptableLinear[] {
  const paths = namedModules(module);
  const partsOf = new Map(map.map(({ parameter, keys }) => [parameter, keys.length]));
  const found = new Map<Linear, AdaptableLinear>();
  for (const layer of transformerLayersOf(module)) {
    for (const [linear, targets] of layer.projections) {
      const path = paths.get(linear)!;
      const parts = partsOf.get(`${path}.weight`);
      if (parts === undefined) throw internalError(`the weight map lacks ${path}.weight`);
      if (parts !== targets.length && !(parts === 1 && targets.length === 3)) {
        throw internalError(`${path} has ${targets.length} parts, its files ${parts}`);
      }
      if (!found.has(linear)) {
        found.set(linear, { path, linear, targets: parts === targets.length ? targets : ["qkv"] });
      }
    }
  }
  return [...found.values()];
}

/** Which of the parts get a pair, and what it is like; undefined for none. */
export type ChoosePair = (
  linear: AdaptableLinear,
  part: number,
) => { readonly rank: number; readonly scaling: number } | undefined;

/** Puts low-rank changes into some linear layers of a network. */
export function attachLowRank(linears: readonly AdaptableLinear[], choose: ChoosePair, dropoutRate: number): void {
  for (const adaptable of linears) {
    const { linear, targets } = adaptable;
    const [outSize, inSize] = linear.weight.shape as [number, number];
    const size = outSize / targets.length;
    const pairs = targets.flatMap((target, part) => {
      const chosen = choose(adaptable, part);
      return chosen === undefined ? [] : [new LowRankPair(inSize, { ...chosen, target, first: part * size, size })];
    });
    if (pairs.length > 0) linear.adapter = new LowRankUpdate(outSize, pairs, dropoutRate);
  }
}

/** What LoRA changes where nothing is said. @source Hu et al. 2021 §4.2 */
function usualTargets(linears: readonly AdaptableLinear[]): readonly LoraTarget[] {
  return linears.some(({ targets }) => targets.includes("qkv")) ? ["qkv"] : ["query", "value"];
}

function checkTargets(wanted: readonly LoraTarget[], linears: readonly AdaptableLinear[], family: string): void {
  const known = [...new Set(linears.flatMap(({ targets }) => targets))];
  const unknown = wanted.filter((target) => !known.includes(target));
  if (unknown.length === 0) return;
  const why = known.includes("qkv")
    ? `the files of ${family} have query, key and value in one matrix`
    : `the files of ${family} have query, key and value apart`;
  const message = `${unknown.join(", ")} cannot be changed: ${why}. Use some of ${known.join(", ")}.`;
  throw new ConfigError(family, [{ path: "adapter.targets", message, code: "ADAPTER_TARGET" }]);
}

/**
 * Puts an adapter into a network that nothing else uses yet. Its parameters are new ones of the network; those that were
 * there are still to be kept from moving: see `movesWithAdapter`.
 * @param map names of the family's tensors
 * @throws {ConfigError} ADAPTER_TARGET for what the family does not have
 */
export function attachAdapter(
  module: Module,
  options: ResolvedAdapter,
  { map, family }: { readonly map: readonly WeightEntry[]; readonly family: string },
): void {
  if (options.kind === "lora") {
    const linears = adaptableLinears(module, map);
    const { rank, alpha, targets: given } = options;
    const wanted = given ?? usualTargets(linears);
    checkTargets(wanted, linears, family);
    const pair = { rank, scaling: alpha / rank };
    attachLowRank(
      linears,
      ({ targets }, part) => (wanted.includes(targets[part]!) ? pair : undefined),
      options.dropout,
    );
    return;
  }
  const { size, activation } = options;
  for (const layer of transformerLayersOf(module)) {
    const hiddenSize = layer.attentionOutput.weight.shape[0]!;
    const make = (): BottleneckAdapter => new BottleneckAdapter(hiddenSize, { size, activation });
    if (options.kind === "houlsby") {
      layer.attentionAdapter = make();
      if (layer.cross !== undefined) layer.cross.outputAdapter = make();
    }
    layer.outputAdapter = make();
  }
}

/** Whether a parameter, by its name, is an adapter's. */
export function isAdapterParameter(name: string): boolean {
  return /\.(adapter|attentionAdapter|outputAdapter)\./.test(name);
}

/** Heads of self-supervision, by which a network is known as one that was pre-trained with them. */
const pretrainingHeads = ["maskedLmLogits", "causalLmLogits", "sequencePairLogits"];

/**
 * Whether fine-tuning with an adapter moves a parameter of a network, by its name: adapters and, in a network for a task,
 * what is new to it (pooler and head). The heads of a model that writes were pre-trained, and stay.
 */
export function movesWithAdapter(module: Module): (name: string) => boolean {
  const trainsHead = !pretrainingHeads.some((head) => head in module);
  return (name) => isAdapterParameter(name) || (trainsHead && (!isCarried(name) || name.startsWith("encoder.pooler.")));
}

/** Whether a network has an adapter. */
export function hasAdapter(module: Module): boolean {
  const adapters = [...namedModules(module).keys()];
  return adapters.some((item) => item instanceof LowRankUpdate || item instanceof BottleneckAdapter);
}
