/** @file A model's numbers as a file has them. */
import type { OnnxTensor } from "../backend/onnx/proto/model.ts";
import { internalError } from "../base/errors.ts";
import type { TensorType } from "../ir/dtype.ts";
import { type Module, namedParameters, type Parameter } from "../nn/module.ts";
import { type QuantizedWeight, quantizableWeights, quantizeWeight } from "../nn/quantization.ts";
import type { Weights } from "../nn/weights.ts";
import { parameterTypes } from "../train/forward-graph.ts";
import type { ProgramParameters } from "./program.ts";

/** How a file keeps the weights of linear layers: as they are, or in 8 bits with a scale for each output. */
export type FileDType = "f32" | "int8";

/** A model's parameters with their numbers. */
export interface FileWeights extends ProgramParameters {
  /** Dtype and shape of the constant of a name among `FileGraph.parameters`. */
  type(name: string): TensorType;
  /** The constant of a name among `FileGraph.parameters`. */
  tensor(name: string): OnnxTensor;
}

/** The parameters of a model for files of one dtype. */
export function fileWeights(model: Module, weights: Weights, dtype: FileDType): FileWeights {
  const parameters = namedParameters(model);
  const chosen = dtype === "int8" ? quantizableWeights(model) : new Set<Parameter>();
  const quantized = new Set([...parameters].flatMap(([name, parameter]) => (chosen.has(parameter) ? [name] : [])));
  const numbers = (name: string): Float32Array => {
    const data = weights.get(name);
    if (data === undefined) throw internalError(`no numbers for parameter "${name}"`);
    return data;
  };
  const types = new Map(
    [...parameters].flatMap(([name, { shape }]) => parameterTypes(name, shape, quantized.has(name))),
  );
  const rounded = new Map<string, QuantizedWeight>();
  const type = (name: string): TensorType => types.get(name)!;
  const dataOf = (name: string): ArrayBufferView => {
    if (parameters.has(name) && !quantized.has(name)) return numbers(name);
    const weight = parameters.has(name) ? name : name.slice(0, -".scale".length);
    const found = rounded.get(weight) ?? quantizeWeight(numbers(weight), parameters.get(weight)!.shape[0]!);
    rounded.set(weight, found);
    return parameters.has(name) ? found.levels : found.scale;
  };
  return { parameters, quantized, type, tensor: (name) => ({ ...type(name), data: dataOf(name) }) };
}
