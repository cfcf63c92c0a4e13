/** @file Copies a graph node by node, with each pass saying what to put in a node's place. */
import { GraphBuilder } from "../builder.ts";
import type { Graph, Node, OpName, OpParams, Value } from "../graph.ts";
import { uniformOf } from "./uniform.ts";

/** What a pass may know while it decides about one node. */
export interface RewriteFacts {
  /** The node as it was; its parameters and result types hold. */
  readonly node: Node;
  /** Its operands in the new graph. */
  readonly inputs: readonly Value[];
  /** The new graph's inputs, in order. */
  readonly graphInputs: readonly Value[];
  /** The node of the new graph that made a value; undefined for the graph's inputs. */
  producer(value: Value): Node | undefined;
  /** The one number that every element of a value is, if that is known. */
  uniform(value: Value): number | undefined;
  /** Adds another node in the old one's place and gives its results. */
  emit<P extends OpName>(op: P, inputs: readonly Value[], params: OpParams[P]): Value[];
}

/** Gives the values that stand for a node's results, or undefined to leave the node as it is. */
export type Rewrite = (facts: RewriteFacts) => readonly Value[] | undefined;

/** Sees a node that stays, with its new results: for passes that remember what there is. */
export type Remember = (node: Node) => void;

export interface Pass {
  readonly rewrite: Rewrite;
  readonly remember?: Remember;
}

/**
 * The graph with passes applied to every node in order, the bodies of loops included; nodes that no output needs are
 * dropped. Inputs and outputs keep their names, order and types.
 * @param passes makes the passes of one graph: loops get passes of their own
 */
export function rewriteGraph(graph: Graph, passes: () => readonly Pass[]): Graph {
  const builder = new GraphBuilder(graph.name);
  const known = new Map<Value, Value>();
  const graphInputs = graph.inputs.map(({ name, value }) => builder.input(name, value.dtype, value.shape));
  graph.inputs.forEach(({ value }, i) => {
    known.set(value, graphInputs[i]!);
  });
  const active = passes();
  const producer = (value: Value) => builder.producer(value);
  for (const old of graph.nodes) {
    const inputs = old.inputs.map((value) => known.get(value)!);
    const node = withBody(old, passes);
    const facts: RewriteFacts = {
      node,
      inputs,
      graphInputs,
      producer,
      uniform: (value) => uniformOf(value, producer),
      emit: (op, operands, params) => emitAll(builder, active, old, op, operands, params),
    };
    let results: readonly Value[] | undefined;
    for (const pass of active) {
      results = pass.rewrite(facts);
      if (results !== undefined) break;
    }
    results ??= emitAll(builder, active, old, node.op, inputs, node.params as never);
    old.outputs.forEach((value, i) => {
      known.set(value, results[i]!);
    });
  }
  return builder.finish(graph.outputs.map(({ name, value }) => ({ name, value: known.get(value)! })));
}

function emitAll<P extends OpName>(
  builder: GraphBuilder,
  passes: readonly Pass[],
  origin: Node,
  op: P,
  inputs: readonly Value[],
  params: OpParams[P],
): Value[] {
  const results = builder.emit(op, inputs, params, origin);
  const made = builder.nodes.at(-1)!;
  for (const pass of passes) pass.remember?.(made);
  return results;
}

function withBody(node: Node, passes: () => readonly Pass[]): Node {
  if (node.op !== "scan") return node;
  return { ...node, params: { ...node.params, body: rewriteGraph(node.params.body, passes) } };
}
