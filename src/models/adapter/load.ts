/** @file An adapter's numbers into a network with its model's weights. */
import { join } from "node:path";
import { CheckpointError } from "../../base/errors.ts";
import { openSafetensors, type TensorFile } from "../../formats/safetensors.ts";
import { type Module, namedParameters } from "../../nn/module.ts";
import type { Weights } from "../../nn/weights.ts";
import { loadWeights, type WeightEntry } from "../weight-map.ts";
import { adaptableLinears, attachAdapter, attachLowRank } from "./attach.ts";
import { adapterWeightsName, fingerprintKey } from "./file.ts";
import type { AdapterFolder } from "./folder.ts";
import { mergeLowRank } from "./merge.ts";
import { adapterEntries, pairKeys, partModules, prefixed, tensorPrefix } from "./names.ts";
import { type AdapterState, baseFingerprint } from "./state.ts";

/** An adapter's folder with its tensors at hand. */
export interface OpenAdapter extends AdapterFolder {
  readonly file: TensorFile;
}

/** Opens the tensors; close `file` when done. @throws {CheckpointError} MISSING_FILE, SAFETENSORS_… */
export async function openAdapter(folder: AdapterFolder): Promise<OpenAdapter> {
  return { ...folder, file: await openSafetensors(join(folder.path, adapterWeightsName)) };
}

/** The entries of parameters that the adapter brings whole: those of its head. */
export function broughtEntries({ file }: OpenAdapter, module: Module, map: readonly WeightEntry[]): WeightEntry[] {
  const parameters = namedParameters(module);
  return prefixed(map).filter(
    ({ parameter, keys, aliases = [] }) =>
      parameters.has(parameter) && [keys, ...aliases].some((names) => names.every((name) => file.has(name))),
  );
}

/** Outputs of a classifying head in the adapter's file; undefined where it has none. @param keys its tensors, the last of which counts */
export function headRows({ file }: OpenAdapter, keys: readonly string[]): number | undefined {
  const found = keys.map((key) => tensorPrefix + key).findLast((key) => file.has(key));
  return found === undefined ? undefined : file.info(found).shape[0];
}

/** Which tensors of a head the adapter brings, by the names that they have in a model's own file. */
export function headsOf({ file }: OpenAdapter): Pick<TensorFile, "has"> {
  return { has: (key) => file.has(tensorPrefix + key) };
}

/** Says of tensors that do not fit that the adapter and its model do not. */
export function ofAnotherModel(cause: unknown, { path, base }: AdapterFolder): unknown {
  if (!(cause instanceof CheckpointError) || cause.code !== "WEIGHTS_MISMATCH") return cause;
  return new CheckpointError(`the adapter does not belong to the model ${base}: ${cause.message}`, {
    code: "ADAPTER_BASE_MISMATCH",
    path,
    cause,
  });
}

function checkFingerprint({ file, path, base }: OpenAdapter, weights: Weights): void {
  const expected = file.metadata[fingerprintKey];
  const actual = baseFingerprint(weights);
  if (expected === undefined || expected === actual) return;
  throw new CheckpointError(
    `the adapter belongs to another model: its model's weights are ${expected}, those of ${base} are ${actual}. Name the model that it was trained with.`,
    { code: "ADAPTER_BASE_MISMATCH", path, details: { expected, actual } },
  );
}

/** A network as it computes with an adapter. */
export interface Adapted<M extends Module> {
  readonly module: M;
  readonly weights: Weights;
  /** Undefined where the adapter has become part of the weights. */
  readonly adapter: AdapterState | undefined;
}

/**
 * A model's network and weights with an adapter: low-rank changes merged into the weights, so that nothing is slower; small
 * networks inside the layers.
 * @param build makes the network anew, without adapter
 * @param weights those of the model, and for what neither it nor the adapter has new ones
 * @throws {CheckpointError} ADAPTER_BASE_MISMATCH, WEIGHTS_MISMATCH
 */
export async function applyAdapter<M extends Module>(
  adapter: OpenAdapter,
  build: () => M,
  {
    weights,
    map,
    family,
  }: { readonly weights: Weights; readonly map: readonly WeightEntry[]; readonly family: string },
): Promise<Adapted<M>> {
  checkFingerprint(adapter, weights);
  const { file, adapter: own } = adapter;
  const module = build();
  if ("scalingOf" in own) {
    const choose: Parameters<typeof attachLowRank>[1] = (linear, part) => {
      const modules = partModules(linear, map)[part]!;
      const found = modules.find((name) => file.has(pairKeys(name)[0]));
      if (found === undefined) return undefined;
      const rank = file.info(pairKeys(found)[0]).shape[0]!;
      return { rank, scaling: own.scalingOf(found, rank) };
    };
    attachLowRank(adaptableLinears(module, map), choose, own.options.dropout);
  } else attachAdapter(module, own.options, { map, family });
  const entries = [...adapterEntries(module, map), ...broughtEntries(adapter, module, map)];
  const whole = new Set(prefixed(map).flatMap(({ keys, aliases = [] }) => [keys, ...aliases].flat()));
  const brought = new Set(entries.map(({ parameter }) => parameter));
  const { weights: all } = await loadWeights(file, {
    model: module,
    map: entries,
    fallback: weights,
    mayBeMissing: (parameter) => !brought.has(parameter),
    // A head that this network lacks is another task's.
    mayBeUnused: (key) => whole.has(key),
  });
  if ("scalingOf" in own) {
    return { module: build(), weights: mergeLowRank(module, all, adapter.path), adapter: undefined };
  }
  const base = { folder: adapter.base, fingerprint: baseFingerprint(weights) };
  return { module, weights: all, adapter: { options: own.options, base } };
}
