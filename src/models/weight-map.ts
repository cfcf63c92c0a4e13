/** @file Between our parameter names and the tensor names of Hugging Face model files. */
import { CheckpointError, nearestName } from "../base/errors.ts";
import type { TensorFile } from "../formats/safetensors-reader.ts";
import type { TensorToWrite } from "../formats/safetensors-writer.ts";
import { type Module, namedParameters } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";

/** One parameter and the tensors that are its rows, in order (one tensor, mostly). */
export interface WeightEntry {
  readonly parameter: string;
  readonly keys: readonly string[];
  /** Other names the same tensors have in some files; a list as long as `keys`. */
  readonly aliases?: readonly (readonly string[])[];
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
  const plan: { parameter: string; keys: readonly string[] }[] = [];
  for (const { parameter, keys, aliases = [] } of entries) {
    const found = [keys, ...aliases].find((names) => names.every((name) => file.has(name)));
    if (found === undefined) {
      if (options.mayBeMissing(parameter)) missing.push(parameter);
      else absent.push(...keys.filter((key) => !file.has(key)));
      continue;
    }
    const { shape } = parameters.get(parameter)!;
    const expected = [shape[0]! / keys.length, ...shape.slice(1)];
    for (const key of found) {
      used.add(key);
      const actual = file.info(key).shape;
      if (actual.join() !== expected.join()) misShaped.push(`${key}: [${actual}], the model needs [${expected}]`);
    }
    plan.push({ parameter, keys: found });
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
  for (const { parameter, keys } of plan) {
    const size = parameters.get(parameter)!.shape.reduce((product, dim) => product * dim, 1);
    const data = new Float32Array(size);
    const part = size / keys.length;
    for (const [i, key] of keys.entries()) await file.readInto(key, data.subarray(i * part, (i + 1) * part));
    weights.set(parameter, data);
  }
  return { weights, missing, unused };
}

/** The tensors to write for a model, each under its file name. */
export function* storedTensors(model: Module, weights: Weights, map: readonly WeightEntry[]): Generator<TensorToWrite> {
  const parameters = namedParameters(model);
  for (const { parameter, keys } of map) {
    const shape = parameters.get(parameter)?.shape;
    const data = weights.get(parameter);
    if (shape === undefined || data === undefined) continue;
    const part = data.length / keys.length;
    for (const [i, name] of keys.entries()) {
      yield {
        name,
        dtype: "F32",
        shape: [shape[0]! / keys.length, ...shape.slice(1)],
        data: data.subarray(i * part, (i + 1) * part),
      };
    }
  }
}
