import { openWeights } from "../../src/formats/model-weights.ts";

/** Tensors of a model directory by name: shapes and numbers. */
export async function storedNumbers(folder: string) {
  const file = await openWeights(folder);
  const result = new Map<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>();
  for (const name of [...file.names].sort()) {
    const { shape, data } = await file.read(name);
    result.set(name, { shape, data: data as Float32Array });
  }
  await file.close();
  return result;
}
