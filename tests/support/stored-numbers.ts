import { openWeights } from "../../src/formats/model-weights.ts";
import type { TensorToWrite } from "../../src/formats/safetensors-writer.ts";

/** Tensors of a model directory by name, in f32 and ready to be written again. */
export async function storedNumbers(folder: string) {
  const file = await openWeights(folder);
  const result = new Map<string, TensorToWrite & { readonly data: Float32Array }>();
  for (const name of [...file.names].sort()) {
    const { shape, data } = await file.read(name);
    result.set(name, { name, dtype: "F32", shape, data: data as Float32Array });
  }
  await file.close();
  return result;
}
