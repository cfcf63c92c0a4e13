/** @file Exported graphs run by plain ONNX Runtime, and fixtures of transformers to compare with. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { type ExportableModel, exportedFamily, exportGraphs } from "../../src/export/export-model.ts";
import type { ExportTask } from "../../src/export/task.ts";
import { type FileDType, fileWeights } from "../../src/export/weights.ts";
import { encodeFile } from "../../src/export/write-file.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import type { ModelState } from "../../src/models/family.ts";
import type { Module } from "../../src/nn/module.ts";

export const fixtureFolder = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Numbers with their shape. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** Named tensors of a fixture. */
export function expected(name: string): (tensor: string) => Promise<Numbers> {
  return async (tensor) => {
    const file = await openSafetensors(join(fixtureFolder(name), "expected.safetensors"));
    try {
      return (await file.read(tensor)) as Numbers;
    } finally {
      await file.close();
    }
  };
}

/** The rows and tokens `[from, to)` of ids `[B, S]`. */
export function part(
  { data, shape }: Numbers,
  [firstRow, lastRow]: readonly [number, number],
  [from, to]: readonly [number, number],
): Numbers {
  const width = shape[1]!;
  const rows = Array.from({ length: lastRow - firstRow }, (_, i) => {
    const start = (firstRow + i) * width;
    return [...data.slice(start + from, start + to)];
  });
  return { shape: [lastRow - firstRow, to - from], data: Int32Array.from(rows.flat()) };
}

export const int64 = ({ data, shape }: Numbers): Tensor =>
  new Tensor(
    "int64",
    BigInt64Array.from(data, (value) => BigInt(value)),
    shape,
  );

export const float32 = (data: Float32Array, shape: readonly number[]): Tensor => new Tensor("float32", data, shape);

/** Sessions of all files of an export, by name. */
export async function openExport(
  { module, weights, family, config }: ModelState<Module>,
  task: ExportTask,
  dtype: FileDType = "f32",
): Promise<Record<string, InferenceSession>> {
  const own = fileWeights(module, weights, dtype);
  const graphs = exportGraphs(module as unknown as ExportableModel, task, exportedFamily(family.name, config), own);
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3 } as const;
  const opened = [...graphs].map(async ([name, graph]) => {
    return [name, await InferenceSession.create(encodeFile(graph, own), options)] as const;
  });
  return Object.fromEntries(await Promise.all(opened));
}

/** Largest difference (NaN where a number is none) over the places that a mask keeps, of vectors at places `[B, S, …]`. */
export function difference(actual: Tensor, wanted: Numbers, mask?: Numbers): number {
  if (actual.dims.join() !== wanted.shape.join()) return Number.POSITIVE_INFINITY;
  const data = actual.data as Float32Array;
  const size = mask === undefined ? 1 : data.length / mask.data.length;
  let largest = 0;
  for (let i = 0; i < data.length; i++) {
    if (mask !== undefined && mask.data[Math.floor(i / size)] === 0) continue;
    const apart = Math.abs(data[i]! - wanted.data[i]!);
    largest = Math.max(largest, apart);
  }
  return largest;
}

/** The vectors at rows `[a, b)` and tokens `[c, d)` of numbers `[B, S, V]`. */
export function vectors(
  { data, shape }: Numbers,
  [firstRow, lastRow]: readonly [number, number],
  [from, to]: readonly [number, number],
): Numbers {
  const [, width, size] = shape as [number, number, number];
  const rows = Array.from({ length: lastRow - firstRow }, (_, i) => {
    const start = (firstRow + i) * width;
    return [...data.slice((start + from) * size, (start + to) * size)];
  });
  return { shape: [lastRow - firstRow, to - from, size], data: Float32Array.from(rows.flat()) };
}
