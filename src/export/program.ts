/** @file Computations with open sizes, and their graphs for chosen ones. */
import type { TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { tensorType } from "../ir/shape.ts";
import type { ForwardContext, Parameter } from "../nn/module.ts";
import { type Tensors, trace } from "../tensor/trace.ts";
import { forwardContext, parameterTypes } from "../train/forward-graph.ts";
import { Dimensions, type TracedGraph } from "./dimension.ts";
import type { DimensionSource, NodeBuilder } from "./node-builder.ts";

/** An input of a file. Token ids, masks and the like come as 64-bit integers and are traced as i32. */
export interface FileInput {
  readonly dtype: "i64" | "f32";
  /** A number, or the name of an open dimension. */
  readonly dims: readonly (string | number)[];
}

/** A traced input that is computed from the file's inputs by operators that the graph language lacks. */
export interface DerivedInput {
  readonly dims: readonly (string | number)[];
  /** @returns the name of an i32 result */
  readonly compute: (builder: NodeBuilder) => string;
}

/** Size of an open dimension while a graph is traced. */
export type SizeOf = (dimension: string) => number;

/** A computation of a file. */
export interface FileProgram {
  readonly name: string;
  /** In the order in which the file has them. */
  readonly inputs: Readonly<Record<string, FileInput>>;
  readonly derived?: Readonly<Record<string, DerivedInput>>;
  /** Open dimensions that are the sum of two others. */
  readonly sums?: Readonly<Record<string, readonly [string, string]>>;
  /** Gives the file's outputs by name, in order. */
  readonly run: (context: ForwardContext, symbols: Tensors, size: SizeOf) => Tensors;
}

/** The parameters of a program's model. */
export interface ProgramParameters {
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Weights of linear layers that are in 8 bits. */
  readonly quantized: ReadonlySet<string>;
}

/** What the names of parameters begin with among a traced graph's inputs. */
export const PARAMETER = "parameter.";

/** The dimensions that a program leaves open. */
export function openDimensions({ inputs, sums = {} }: FileProgram): Dimensions {
  const all = Object.values(inputs).flatMap(({ dims }) => dims);
  const added = new Set(Object.keys(sums));
  const names = [...new Set([...all, ...Object.values(sums).flat()])].filter(
    (dim): dim is string => typeof dim === "string" && !added.has(dim),
  );
  return new Dimensions(names, sums);
}

/** The program's graph for one choice of sizes, as the model's code wrote it. */
export function traceProgram(
  { name, inputs, derived = {}, run }: FileProgram,
  { parameters, quantized }: ProgramParameters,
  dimensions: Dimensions,
  which: TracedGraph,
): Graph {
  const shape = (dims: readonly (string | number)[]) => dims.map((dim) => dimensions.size(dim, which));
  const own = [...parameters].flatMap(([key, parameter]) =>
    parameterTypes(key, parameter.shape, quantized.has(key)).map(([part, type]) => [PARAMETER + part, type] as const),
  );
  const types: Record<string, TensorType> = {
    ...Object.fromEntries(own),
    ...Object.fromEntries(
      Object.entries(inputs).map(([key, { dtype, dims }]) => [
        key,
        tensorType(dtype === "i64" ? "i32" : dtype, shape(dims)),
      ]),
    ),
    ...Object.fromEntries(Object.entries(derived).map(([key, { dims }]) => [key, tensorType("i32", shape(dims))])),
  };
  return trace(name, types, (symbols: Tensors) => {
    const context = forwardContext(symbols, parameters, { compute: "f32" }, { quantized });
    return run(context, symbols, (dimension) => dimensions.size(dimension, which));
  });
}

/** Where open dimensions can be read: the first input that has one of them alone. */
export function dimensionSources({ inputs }: FileProgram): Map<string, DimensionSource> {
  const sources = new Map<string, DimensionSource>();
  for (const [input, { dims }] of Object.entries(inputs)) {
    dims.forEach((dim, axis) => {
      if (typeof dim === "string" && !sources.has(dim)) sources.set(dim, { input, axis });
    });
  }
  return sources;
}
