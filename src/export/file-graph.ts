/** @file A program as the ONNX graph of a file. */
import { isLoweredWhole, type LoweredGraph, lowerGraph, weightName } from "../backend/onnx/lower/lower-graph.ts";
import type { OnnxNode, OnnxTensor, OnnxValueInfo } from "../backend/onnx/proto/model.ts";
import { internalError } from "../base/errors.ts";
import type { Graph } from "../ir/graph.ts";
import { optimize } from "../ir/pass/optimize.ts";
import { sameShape } from "../ir/shape.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { Generalizer, type Shapes } from "./generalize.ts";
import { NodeBuilder, SizeNodes } from "./node-builder.ts";
import {
  dimensionSources,
  type FileProgram,
  openDimensions,
  PARAMETER,
  type ProgramParameters,
  traceProgram,
} from "./program.ts";
import { requireOneProgram, type TracedThrice } from "./size-check.ts";
import { toStandardOperators, withoutUnused } from "./standard-operator.ts";

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

/** The program's inputs as lowered graphs take them: token ids and the like in 32 bits. */
function begin(program: FileProgram, graph: Graph, lowered: LoweredGraph, builder: NodeBuilder): Map<string, string> {
  const { inputs, derived = {} } = program;
  const names = new Map<string, string>();
  for (const { ref, origin } of lowered.inputs) {
    if (origin.kind !== "input") throw internalError("a graph for prediction draws random numbers");
    const { name } = graph.inputs[origin.index]!;
    const computed = derived[name];
    const given = () => (inputs[name]!.dtype === "i64" ? builder.cast(name, "i32") : name);
    names.set(ref.name, computed === undefined ? given() : computed.compute(builder));
  }
  for (const { name } of graph.inputs) {
    if (name.startsWith(PARAMETER)) names.set(weightName(name), name.slice(PARAMETER.length));
  }
  return names;
}

/** Numbers of axes of the values of a lowered graph, by their names in the file. */
function ranksOf(lowered: LoweredGraph, names: ReadonlyMap<string, string>): (name: string) => number {
  const { inputs, weights = [] } = lowered.model.graph;
  const values = [...lowered.results.values(), ...inputs, ...weights];
  const ranks = new Map(values.map(({ name, shape }) => [names.get(name) ?? name, shape!.length]));
  return (name) => {
    const rank = ranks.get(name);
    if (rank === undefined) throw internalError(`the export does not know the shape of ${name}`);
    return rank;
  };
}

/** Nodes that give results under other names: results that are nothing else's are renamed, others are copied. */
function withResultNames(nodes: readonly OnnxNode[], results: ReadonlyMap<string, string>): OnnxNode[] {
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const taken = new Map<string, string>();
  const copies: OnnxNode[] = [];
  for (const [result, source] of results) {
    if (made.has(source) && !taken.has(source)) taken.set(source, result);
    else copies.push({ opType: "Identity", inputs: [source], outputs: [result], name: `${result}/Identity` });
  }
  const renamed = (names: readonly string[]) => names.map((name) => taken.get(name) ?? name);
  return [...nodes, ...copies].map((node) => ({
    ...node,
    inputs: renamed(node.inputs),
    outputs: renamed(node.outputs),
  }));
}

/**
 * A program as an ONNX graph for all sizes, in operators of the standard alone.
 * @param prefix of the names inside it and of its outputs, where several graphs share a file
 * @throws {BackendError} EXPORT_SIZES where sizes enter the computation in a way that the export does not understand;
 * UNSUPPORTED_NODE
 */
export function fileGraph(program: FileProgram, parameters: ProgramParameters, prefix = ""): FileGraph {
  const dimensions = openDimensions(program);
  const builder = new NodeBuilder(prefix);
  const sizes = new SizeNodes(builder, dimensions, dimensionSources(program));
  const traced = ([0, 1, "small"] as const).map((which) => traceProgram(program, parameters, dimensions, which));
  requireOneProgram(traced as unknown as TracedThrice, dimensions);
  const simple = (graph: Graph) => optimize(decompose(graph, ({ op }) => isLoweredWhole(op)));
  const graphs = [simple(traced[0]!), simple(traced[1]!)] as const;
  const own = new Set(graphs[0].inputs.flatMap(({ name }) => (name.startsWith(PARAMETER) ? [name] : [])));
  const lower = (graph: Graph) => lowerGraph(graph, { names: own, location: "" }, { keepsOrder: false });
  const [first, second] = [lower(graphs[0]), lower(graphs[1])];
  const renamed = begin(program, graphs[0], first, builder);
  const generalizer = new Generalizer({ first, second }, { dimensions, builder, sizes }, renamed);
  const names = generalizer.run();

  const results = new Map<string, string>();
  const outputs = graphs[0].outputs.map(({ name, value }, i): OnnxValueInfo => {
    const wanted: Shapes = [value.shape, graphs[1].outputs[i]!.value.shape];
    const [made, again] = [first.outputs[i]!, second.outputs[i]!];
    // What is given may be another view of the same elements.
    const isView = !sameShape(made.shape, value.shape);
    const source = names.get(made.name)!;
    const result = `${prefix}${name}`;
    results.set(result, isView ? generalizer.reshaped(source, [made.shape, again.shape], wanted) : source);
    const shape = wanted[0].map((size, axis) => dimensions.label([size, wanted[1][axis]!])!);
    return { name: result, dtype: made.dtype, shape };
  });
  const needed = [...results.values()];
  const nodes = withoutUnused(builder.nodes, needed);
  builder.nodes.splice(0, builder.nodes.length, ...nodes);
  toStandardOperators(builder, { rank: ranksOf(first, names) });
  const written = withResultNames(withoutUnused(builder.nodes, needed), results);
  const read = new Set(written.flatMap((node) => node.inputs));
  return {
    name: program.name,
    nodes: written,
    inputs: Object.entries(program.inputs).map(([name, { dtype, dims }]) => ({ name, dtype, shape: dims })),
    outputs,
    initializers: Object.fromEntries(Object.entries(builder.initializers).filter(([name]) => read.has(name))),
    parameters: new Set([...own].map((name) => name.slice(PARAMETER.length)).filter((name) => read.has(name))),
  };
}
