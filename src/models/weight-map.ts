/** @file Between our parameter names and the tensor names of Hugging Face model files. */
import { CheckpointError, internalError, nearestName } from "../base/errors.ts";
import type { TensorFile } from "../formats/safetensors-reader.ts";
import type { TensorToWrite } from "../formats/safetensors-writer.ts";
import { type Module, namedParameters } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";

/**
 * One parameter and the tensors that are its rows, in order (one tensor, mostly). A parameter may have several entries: its
 * numbers are then stored under each of their names.
 */
export interface WeightEntry {
  readonly parameter: string;
  readonly keys: readonly string[];
  /** Other names the same tensors have in some files; a list as long as `keys`. */
  readonly aliases?: readonly (readonly string[])[];
  /** Whether the tensors are stored the other way round, `[in, out]` (GPT's Conv1D). */
  readonly isTransposed?: boolean;
}

export interface LoadedWeights {
  readonly weights: Weights;
  /** Parameters the file does not have, which were allowed to be new; their numbers are those given. */
  readonly missing: readonly string[];
  /** Tensors of the file that the model does not have, which were allowed to be left. */
  readonly unused: readonly string[];
}

export interface LoadWeightsOptions {
  readonly model: Module;
  readonly map: readonly WeightEntry[];
  /** Numbers for parameters that may be missing. */
  readonly fallback: Weights;
  readonly mayBeMissing: (parameter: string) => boolean;
  readonly mayBeUnused: (key: string) => boolean;
}

/** A matrix `[rows, columns]` the other way round. */
function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column]!;
  }
  return result;
}

function describe(title: string, lines: readonly string[]): string[] {
  const shown = lines.slice(0, 20).map((line) => `    ${line}`);
  const rest = lines.length > 20 ? [`    … and ${lines.length - 20} more`] : [];
  return lines.length === 0 ? [] : [`  ${title}:`, ...shown, ...rest];
}

/**
 * Reads a model's weights, strictly: everything missing, unexpected or of another shape is listed together.
 * @throws {CheckpointError} WEIGHTS_MISMATCH
 */
export async function loadWeights(file: TensorFile, options: LoadWeightsOptions): Promise<LoadedWeights> {
  const parameters = namedParameters(options.model);
  const entries = options.map.filter(({ parameter }) => parameters.has(parameter));
  const used = new Set<string>();
  const missing: string[] = [];
  const absent: string[] = [];
  const misShaped: string[] = [];
  const plan: (WeightEntry & { readonly shape: readonly number[] })[] = [];
  for (const entry of entries) {
    const { parameter, keys, aliases = [], isTransposed = false } = entry;
    const found = [keys, ...aliases].find((names) => names.every((name) => file.has(name)));
    if (found === undefined) {
      if (options.mayBeMissing(parameter)) missing.push(parameter);
      else absent.push(...keys.filter((key) => !file.has(key)));
      continue;
    }
    const { shape } = parameters.get(parameter)!;
    const part = [shape[0]! / keys.length, ...shape.slice(1)];
    const expected = isTransposed ? part.toReversed() : part;
    for (const key of found) {
      used.add(key);
      const actual = file.info(key).shape;
      if (actual.join() !== expected.join()) misShaped.push(`${key}: [${actual}], the model needs [${expected}]`);
    }
    plan.push({ ...entry, keys: found, shape: part });
  }
  const unused = file.names.filter((name) => !used.has(name));
  const unexpected = unused.filter((name) => !options.mayBeUnused(name));
  if (absent.length + misShaped.length + unexpected.length > 0) {
    // The nearest name takes time for each pair: a file of another model needs none.
    const hinted = absent.map((name) => {
      const near = absent.length > 200 ? undefined : nearestName(name, unexpected);
      return near === undefined ? name : `${name} (the file has ${near})`;
    });
    const lists = [
      ...describe("missing", hinted),
      ...describe("of another shape", misShaped),
      ...describe("unexpected", unexpected),
    ];
    throw new CheckpointError(
      `the weights do not fit the model.\n${lists.join("\n")}\nCheck that config.json belongs to these weights.`,
      { code: "WEIGHTS_MISMATCH", path: file.path, details: { missing: absent, misShaped, unexpected } },
    );
  }
  const weights = new Map(options.fallback);
  const read = new Map<string, readonly string[]>();
  for (const { parameter, keys, shape, isTransposed } of plan) {
    const part = shape.reduce((product, dim) => product * dim, 1);
    const data = new Float32Array(part * keys.length);
    for (const [i, key] of keys.entries()) {
      const own = data.subarray(i * part, (i + 1) * part);
      await file.readInto(key, own);
      if (isTransposed === true) own.set(transposed(own, shape[1]!, shape[0]!));
    }
    const before = read.get(parameter);
    if (before !== undefined && data.some((value, i) => value !== weights.get(parameter)![i])) {
      throw new CheckpointError(
        `${keys.join(", ")} must be the numbers of ${before.join(", ")}, which this model has in common. Was it trained as one that has not?`,
        { code: "SHARED_WEIGHTS_DIFFER", path: file.path, details: { parameter } },
      );
    }
    read.set(parameter, keys);
    weights.set(parameter, data);
  }
  return { weights, missing: [...new Set(missing)], unused };
}

/**
 * Demands a name for every parameter: one without would be neither written nor read, and nobody would be told.
 * @throws {FirthError} INTERNAL naming the parameters
 */
export function requireNames(model: Module, map: readonly WeightEntry[], family: string): void {
  const named = new Set(map.map(({ parameter }) => parameter));
  const unnamed = [...namedParameters(model).keys()].filter((name) => !named.has(name));
  if (unnamed.length === 0) return;
  throw internalError(`the weight map of ${family} has no name for ${unnamed.slice(0, 5).join(", ")}`, { unnamed });
}

/**
 * The tensors to write for a model, each under its file name.
 * @throws {FirthError} INTERNAL for a parameter of the map that the model has and the weights lack
 */
export function* storedTensors(model: Module, weights: Weights, map: readonly WeightEntry[]): Generator<TensorToWrite> {
  const parameters = namedParameters(model);
  for (const { parameter, keys, isTransposed = false } of map) {
    const shape = parameters.get(parameter)?.shape;
    if (shape === undefined) continue;
    const data = weights.get(parameter);
    if (data === undefined) throw internalError(`no numbers for parameter "${parameter}"`);
    const part = data.length / keys.length;
    for (const [i, name] of keys.entries()) {
      const own = data.subarray(i * part, (i + 1) * part);
      const rows = [shape[0]! / keys.length, ...shape.slice(1)];
      yield isTransposed
        ? { name, dtype: "F32", shape: rows.toReversed(), data: transposed(own, rows[0]!, rows[1]!) }
        : { name, dtype: "F32", shape: rows, data: own };
    }
  }
}

/** Weight and bias of a dense layer. */
export function denseEntries(parameter: string, key: string, isTransposed = false): WeightEntry[] {
  return [
    { parameter: `${parameter}.weight`, keys: [`${key}.weight`], isTransposed },
    { parameter: `${parameter}.bias`, keys: [`${key}.bias`] },
  ];
}

/** Gain and bias of a LayerNorm, under their TensorFlow names too. */
export function normEntries(parameter: string, key: string): WeightEntry[] {
  return [
    { parameter: `${parameter}.weight`, keys: [`${key}.weight`], aliases: [[`${key}.gamma`]] },
    { parameter: `${parameter}.bias`, keys: [`${key}.bias`], aliases: [[`${key}.beta`]] },
  ];
}

/** A projection whose rows are several dense layers of the file, one after the other. */
export function joinedEntries(parameter: string, keys: readonly string[]): WeightEntry[] {
  return (["weight", "bias"] as const).map((part) => ({
    parameter: `${parameter}.${part}`,
    keys: keys.map((key) => `${key}.${part}`),
  }));
}
