/** @file Names of an adapter's tensors and modules, as peft has them. */
import { LowRankUpdate } from "../../nn/adapter.ts";
import { type Module, namedParameters } from "../../nn/module.ts";
import type { WeightEntry } from "../weight-map.ts";
import { type AdaptableLinear, adaptableLinears, isAdapterParameter, movesWithAdapter } from "./attach.ts";
import type { LoraTarget } from "./option.ts";

/** What peft's names of tensors begin with. */
export const tensorPrefix = "base_model.model.";

/** The module of a tensor: its name without the last part. */
export function moduleOf(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf(".")));
}

/** Names of a pair's two matrices in a file. */
export function pairKeys(module: string): readonly [a: string, b: string] {
  return [`${tensorPrefix}${module}.lora_A.weight`, `${tensorPrefix}${module}.lora_B.weight`];
}

/** For each part of a linear layer the modules that it is in the files: one, or where layers share weights several. */
export function partModules({ path, targets }: AdaptableLinear, map: readonly WeightEntry[]): string[][] {
  const own = map.filter(({ parameter }) => parameter === `${path}.weight`);
  return targets.map((_, part) => own.map(({ keys }) => moduleOf(keys[part]!)));
}

/** The same entries under the names that peft gives to what is saved whole. */
export function prefixed(map: readonly WeightEntry[]): WeightEntry[] {
  const all = (keys: readonly string[]): string[] => keys.map((key) => tensorPrefix + key);
  return map.map((entry) => ({ ...entry, keys: all(entry.keys), aliases: (entry.aliases ?? []).map(all) }));
}

/** Names of an adapter's own tensors: those of peft for low-rank changes, ours for small networks. */
export function adapterEntries(module: Module, map: readonly WeightEntry[]): WeightEntry[] {
  const entries: WeightEntry[] = [];
  for (const adaptable of adaptableLinears(module, map)) {
    const { linear, targets, path } = adaptable;
    if (!(linear.adapter instanceof LowRankUpdate)) continue;
    const modules = partModules(adaptable, map);
    for (const [i, { settings }] of linear.adapter.pairs.entries()) {
      const part = targets.indexOf(settings.target as LoraTarget);
      for (const name of modules[part]!) {
        const [a, b] = pairKeys(name);
        const parameter = `${path}.adapter.pairs.${i}`;
        entries.push({ parameter: `${parameter}.a`, keys: [a] }, { parameter: `${parameter}.b`, keys: [b] });
      }
    }
  }
  const known = new Set(entries.map(({ parameter }) => parameter));
  const others = [...namedParameters(module).keys()].filter((name) => isAdapterParameter(name) && !known.has(name));
  return [...entries, ...others.map((name) => ({ parameter: name, keys: [name] }))];
}

/** Entries of the parameters that are trained with an adapter and saved whole: those of the head. */
export function headEntries(module: Module, map: readonly WeightEntry[]): WeightEntry[] {
  const parameters = namedParameters(module);
  const moves = movesWithAdapter(module);
  return map.filter(({ parameter }) => parameters.get(parameter)?.isFixed === false && moves(parameter));
}

/** Every name that a module's tensors are below: `a.b.c` → `a.b.c`, `a.b`, `a`, shortest first. */
function above(name: string): string[] {
  const parts = name.split(".");
  return parts.map((_, i) => parts.slice(0, i + 1).join("."));
}

/**
 * The modules that peft is to save whole: of every tensor the uppermost module that holds nothing else.
 * @param kept keys of tensors that are saved whole
 * @param others keys of all other tensors of the model
 */
export function savedModules(kept: readonly string[], others: readonly string[]): string[] {
  const found = kept.map((key) => {
    const choices = above(moduleOf(key));
    return choices.find((name) => !others.some((other) => other.startsWith(`${name}.`))) ?? choices.at(-1)!;
  });
  return [...new Set(found)];
}

/**
 * Modules as peft finds them, by the ends of their names: the shortest end that fits these and none of the others, or
 * else their whole names.
 */
export function shortestNames(groups: readonly (readonly string[])[], all: readonly string[]): string[] {
  return groups.flatMap((group) => {
    const own = new Set(group);
    const others = all.filter((name) => !own.has(name));
    const [first] = group;
    const ends = first === undefined ? [] : above(first.split(".").reverse().join(".")).map(reversed);
    const fits = (end: string) => (name: string) => name === end || name.endsWith(`.${end}`);
    const end = ends.find((name) => group.every(fits(name)) && !others.some(fits(name)));
    return end === undefined ? [...group] : [end];
  });
}

function reversed(name: string): string {
  return name.split(".").reverse().join(".");
}
