import { FirthError } from "../../../base/errors.ts";
import type { Graph, Node } from "../../../ir/graph.ts";
import { tensorType } from "../../../ir/shape.ts";
import { LowerContext, type LowerFacts, type Rule, unsupported } from "./context.ts";
import { Emitter, type Ref } from "./emitter.ts";
import { FunctionTable } from "./function-table.ts";
import type { LoweredModule, LowerOptions } from "./module.ts";
import { NameScope, symbolName } from "./name-scope.ts";
import { donationsOf, placed } from "./placement.ts";
import { meshLines, shardingText } from "./sharding-text.ts";
import { rules } from "./table.ts";
import { typesText, typeText } from "./type-text.ts";

/** Nodes that later work has no reason to wait for. */
const sources = new Set<Node["op"]>(["constant", "iota"]);

function lowerNode(context: LowerContext, node: Node): void {
  const { emitter } = context;
  emitter.label = node.op;
  emitter.source = emitter.module.locations ? node.source : undefined;
  let results: readonly Ref[];
  try {
    results = (rules[node.op] as Rule<never>)(context, node as never);
  } catch (error) {
    if (!(error instanceof FirthError) || error.code !== "INTERNAL") throw error;
    throw unsupported(node, error.message);
  }
  node.outputs.forEach((value, i) => {
    const ref = results[i];
    if (ref !== undefined && !context.isDefined(value)) context.define(value, ref);
  });
  if (!sources.has(node.op)) context.last = results[0];
}

function lowerNodes(context: LowerContext): void {
  const { label, source } = context.emitter;
  for (const node of context.graph.nodes) {
    const isDone = context.sums.absorbed.has(node) || node.outputs.every((value) => context.isDefined(value));
    if (!isDone) lowerNode(context, node);
  }
  context.emitter.label = label;
  context.emitter.source = source;
}

/** `{tf.aliasing_output = 3 : i32, mhlo.sharding = "{replicated}"}`, or nothing. */
function attributesText(attributes: readonly string[]): string {
  return attributes.length === 0 ? "" : ` {${attributes.join(", ")}}`;
}

/**
 * Translates a graph into StableHLO text. Composites are taken as they are: products, sums and lookups in the operations
 * themselves, all others as private functions that nodes of one type share.
 * @throws {BackendError} UNSUPPORTED_NODE naming the node; DONATION_INVALID, SHARDING_INVALID naming inputs and outputs
 */
export function lowerToStableHlo(graph: Graph, options: LowerOptions = {}): LoweredModule {
  const { customCalls = new Set<string>(), oneHotRows = 0, f32Products = "full", locations = true } = options;
  const partitioning = options.partitioning ?? { partitions: 1 };
  const { partitions } = partitioning;
  const spread = { partitions, partitioner: options.partitioner ?? "gspmd" };
  const places = placed(graph.inputs, graph.outputs, partitioning);
  const donations = donationsOf(graph.inputs, graph.outputs, places, options.donations);

  const functions = new FunctionTable();
  const names = new NameScope();
  const emitter = new Emitter({ functions, fullProducts: f32Products === "full", locations }, names);
  const facts: LowerFacts = { customCalls, oneHotRows, spread, attention: { fused: 0, exact: 0 } };
  const context = new LowerContext(graph, emitter, facts, lowerNodes);
  const parameters = graph.inputs.map(({ name, value }): Ref => {
    const ref = { name: `%${names.own(name)}`, dtype: value.dtype, shape: value.shape };
    context.define(value, ref);
    return ref;
  });
  lowerNodes(context);
  emitter.label = undefined;
  emitter.source = undefined;
  const results = graph.outputs.map(({ value }) => context.ref(value));

  const shardings = (kind: "inputs" | "outputs", i: number, rank: number): string[] =>
    partitions === 1 ? [] : [shardingText(places[kind][i]!, rank, spread)];
  const parameterLines = parameters.map((ref, i) => {
    const target = donations.get(i);
    const alias = target === undefined ? [] : [`tf.aliasing_output = ${target} : i32`];
    return `      ${ref.name}: ${typeText(ref)}${attributesText([...alias, ...shardings("inputs", i, ref.shape.length)])}`;
  });
  const resultLines = results.map(
    (ref, i) =>
      `      ${typeText(ref)}${attributesText(shardings("outputs", i, ref.shape.length))}${i + 1 < results.length ? "," : ""} // ${graph.outputs[i]!.name}`,
  );
  const text = [
    `module @${symbolName(graph.name)} attributes {mhlo.num_partitions = ${partitions} : i32, mhlo.num_replicas = 1 : i32} {`,
    ...meshLines(spread),
    `  func.func public @main(\n${parameterLines.join(",\n")}) -> (`,
    ...resultLines,
    "    ) {",
    ...emitter.lines,
    `    func.return ${results.map(({ name }) => name).join(", ")} : ${typesText(results)}`,
    "  }",
    ...functions.texts,
    "}",
    "",
  ].join("\n");
  return {
    name: graph.name,
    text,
    inputs: graph.inputs.map(({ value }) => tensorType(value.dtype, value.shape)),
    outputs: graph.outputs.map(({ value }) => tensorType(value.dtype, value.shape)),
    inputNames: graph.inputs.map(({ name }) => name),
    outputNames: graph.outputs.map(({ name }) => name),
    donated: [...donations.keys()],
    partitions,
    inputShardings: places.inputs,
    outputShardings: places.outputs,
    attention: facts.attention,
  };
}
