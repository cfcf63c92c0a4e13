/** Reading and writing of safetensors files, single and sharded. */
export {
  openWeights,
  type WriteWeightsOptions,
  weightsFileName,
  weightsIndexName,
  writeWeights,
} from "./model-weights.ts";
export type { TensorInfo } from "./safetensors-header.ts";
export { openSafetensors } from "./safetensors-reader.ts";
export { type TensorToWrite, writeSafetensors } from "./safetensors-writer.ts";
export { describeTensor, elementCount, type HostArray, type HostTensor, type StoredDtype } from "./stored-dtype.ts";
export type { ReadDtype, TensorFacts, TensorFile } from "./tensor-file.ts";
