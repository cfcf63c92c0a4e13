/** @file A computation with open sizes as the parts of an ONNX file. */
import { isLoweredWhole, lowerGraph, weightName } from "../backend/onnx/lower/lower-graph.ts";
import type { OnnxNode, OnnxTensor, OnnxValueInfo } from "../backend/onnx/proto/model.ts";
import type { TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { optimize } from "../ir/pass/optimize.ts";
import { tensorType } from "../ir/shape.ts";
import type { ForwardContext, Parameter } from "../nn/module.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { type Tensors, trace } from "../tensor/trace.ts";
import { forwardContext, parameterTypes } from "../train/forward-graph.ts";
import { Dimensions, type Pair } from "./dimension.ts";
import { Generalizer } from "./generalize.ts";
import { type DimensionSource, NodeBuilder, SizeNodes } from "./node-builder.ts";
import { toStandardOperators, withoutUnused } from "./standard-operator.ts";

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

/** What an ONNX graph is made of; parameters stand in it under their own names. */
export interface FileGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly initializers: Readonly<Record<string, OnnxTensor>>;
  /** Parameters that the graph reads; those in 8 bits have a `.scale` beside them. */
  readonly parameters: ReadonlySet<string>;
}

const PARAMETER = "parameter.";

function openDimensions({ inputs, sums = {} }: FileProgram): Dimensions {
  const all = Object.values(inputs).flatMap(({ dims }) => dims);
  const added = new Set(Object.keys(sums));
  const names = [...new Set([...all, ...Object.values(sums).flat()])].filter(
    (dim): dim is string => typeof dim === "string" && !added.has(dim),
  );
  return new Dimensions(names, sums);
}

/** The program's graph for one choice of sizes. */
function traced(
  { name, inputs, derived = {}, run }: FileProgram,
  { parameters, quantized }: ProgramParameters,
  dimensions: Dimensions,
  which: 0 | 1,
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
  const graph = trace(name, types, (symbols: Tensors) => {
    const context = forwardContext(symbols, parameters, { compute: "f32" }, { quantized });
    return run(context, symbols, (dimension) => dimensions.size(dimension, which));
  });
  return optimize(decompose(graph, ({ op }) => isLoweredWhole(op)));
}

/** Where open dimensions can be read: the first input that has one of them alone. */
function dimensionSources({ inputs }: FileProgram): Map<string, DimensionSource> {
  const sources = new Map<string, DimensionSource>();
  for (const [input, { dims }] of Object.entries(inputs)) {
    dims.forEach((dim, axis) => {
      if (typeof dim === "string" && !sources.has(dim)) sources.set(dim, { input, axis });
    });
  }
  return sources;
}

/**
 * A program as an ONNX graph for all sizes, in operators of the standard alone.
 * @param prefix of the names inside it, where several graphs share a file
 * @throws {BackendError} EXPORT_SIZES where sizes enter the computation in a way that the export does not understand;
 * UNSUPPORTED_NODE
 */
export function fileGraph(program: FileProgram, parameters: ProgramParameters, prefix = ""): FileGraph {
  const { name, inputs, derived = {} } = program;
  const dimensions = openDimensions(program);
  const builder = new NodeBuilder(prefix);
  const sizes = new SizeNodes(builder, dimensions, dimensionSources(program));
  const graphs = ([0, 1] as const).map((which) => traced(program, parameters, dimensions, which)) as [Graph, Graph];
  const own = new Set(graphs[0].inputs.flatMap(({ name: key }) => (key.startsWith(PARAMETER) ? [key] : [])));
  const fixed = { names: own, location: "" };
  const [first, second] = graphs.map((graph) => lowerGraph(graph, fixed, { keepsOrder: false })) as [
    ReturnType<typeof lowerGraph>,
    ReturnType<typeof lowerGraph>,
  ];
  const begun = (key: string): string => {
    if (derived[key] !== undefined) return derived[key].compute(builder);
    return inputs[key]!.dtype === "i64" ? builder.cast(key, "i32") : key;
  };
  const renamed = new Map<string, string>();
  for (const { ref, origin } of first.inputs) {
    if (origin.kind === "input") renamed.set(ref.name, begun(graphs[0].inputs[origin.index]!.name));
  }
  for (const key of own) renamed.set(weightName(key), key.slice(PARAMETER.length));
  const generalizer = new Generalizer({ first, second }, { dimensions, builder, sizes }, renamed);
  const names = generalizer.run();

  const outputs = graphs[0].outputs.map(({ name: output, value }, i): OnnxValueInfo => {
    const other = graphs[1].outputs[i]!.value;
    const [made, again] = [first.outputs[i]!, second.outputs[i]!];
    const wanted = generalizer.shapeOf({ ...made, shape: value.shape }, { ...again, shape: other.shape });
    const isView =
      made.shape.length !== value.shape.length || made.shape.some((size, axis) => size !== value.shape[axis]);
    const result = `${prefix}${output}`;
    const source = names.get(made.name)!;
    if (isView) builder.op("Reshape", [source, sizes.vector(wanted)], { allowzero: { int: 1 } }, result);
    else builder.op("Identity", [source], {}, result);
    const shape = value.shape.map((size, axis) => dimensions.label([size, other.shape[axis]!] satisfies Pair)!);
    return { name: result, dtype: made.dtype, shape };
  });
  const shapes = new Map(
    [...first.results.values(), ...first.inputs.map(({ ref }) => ref)].map(({ name: key, shape }) => [
      names.get(key) ?? key,
      shape.length,
    ]),
  );
  const results = outputs.map((output) => output.name);
  // What nothing needs may be what the rewriting below has no facts about.
  builder.nodes.splice(0, builder.nodes.length, ...withoutUnused(builder.nodes, results));
  toStandardOperators(builder, { rank: (value) => shapes.get(value) ?? 2 });
  const nodes = withoutUnused(builder.nodes, results);
  const read = new Set(nodes.flatMap((node) => node.inputs));
  return {
    name,
    nodes,
    inputs: Object.entries(inputs).map(([key, { dtype, dims }]) => ({ name: key, dtype, shape: dims })),
    outputs,
    initializers: Object.fromEntries(Object.entries(builder.initializers).filter(([key]) => read.has(key))),
    parameters: new Set([...own].map((key) => key.slice(PARAMETER.length)).filter((key) => read.has(key))),
  };
}
