/** @file A function of scalars applied to every element of tensors: how an update rule becomes part of a larger graph. */
import { internalError } from "../base/errors.ts";
import type { Graph, Node, OpName, Value } from "../ir/graph.ts";
import { refuse } from "../ir/rule.ts";
import { type Shape, sameShape } from "../ir/shape.ts";
import { broadcastTo } from "./elementwise.ts";
import { Tensor } from "./tensor.ts";
import { currentBuilder } from "./trace.ts";

/** What works on each element by itself. */
const pointwise: ReadonlySet<OpName> = new Set([
  ...(["neg", "abs", "sign", "floor", "exp", "log", "sqrt", "tanh", "erf", "logistic", "sin", "cos", "not"] as const),
  ...(["convert", "stopGradient", "barrier", "add", "sub", "mul", "div", "max", "min", "pow"] as const),
  ...(["and", "or", "xor", "shiftLeft", "shiftRight", "compare", "select"] as const),
]);

/** Movements of a scalar leave it as it is. */
const identities: ReadonlySet<OpName> = new Set(["broadcast", "reshape", "transpose"]);

function requireScalars(graph: Graph): void {
  const values = [...graph.inputs.map(({ value }) => value), ...graph.nodes.flatMap(({ outputs }) => outputs)];
  const odd = values.find(({ shape }) => shape.length > 0);
  if (odd !== undefined) throw internalError(`"${graph.name}" works on more than scalars, so it cannot be mapped`);
}

/** One node for all elements; what depends on scalars alone stays a scalar. */
function mapNode(node: Node, operands: readonly Tensor[], name: string): Tensor {
  if (identities.has(node.op)) return operands[0]!;
  if (node.op !== "constant" && !pointwise.has(node.op)) {
    throw internalError(`"${name}" has the operation ${node.op}, which does not work element by element`);
  }
  const shape = operands.find(({ rank }) => rank > 0)?.shape ?? [];
  const values = operands.map((x) => broadcastTo(x, shape).value);
  return new Tensor(currentBuilder().emit(node.op, values, node.params as never, node)[0]!);
}

/**
 * Applies a graph of scalars to every element, in the current trace.
 * @param inputs for each input of the graph a tensor of the shape, or a scalar that all elements share
 * @returns for each output of the graph a tensor of the shape
 */
export function mapScalars(graph: Graph, inputs: readonly Tensor[], shape: Shape): Tensor[] {
  requireScalars(graph);
  const known = new Map<Value, Tensor>();
  graph.inputs.forEach(({ name, value }, i) => {
    const given = inputs[i]!;
    if (given.rank > 0 && !sameShape(given.shape, shape)) {
      refuse(graph.name, `input "${name}" is neither a scalar nor [${shape}]`, [given]);
    }
    known.set(value, given);
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.map((value) => known.get(value)!);
    known.set(node.outputs[0]!, mapNode(node, operands, graph.name));
  }
  return graph.outputs.map(({ value }) => broadcastTo(known.get(value)!, shape));
}
