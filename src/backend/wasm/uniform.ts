/** @file Scalar expressions that are the same for every element: found once, evaluated on the host in doubles. */
import { BackendError } from "../../base/errors.ts";
import type { DType } from "../../ir/dtype.ts";
import type { CompareDirection, Graph, Node, OpName, Value } from "../../ir/graph.ts";

/** A scalar on the host: a double for floats, a whole number for integers, 0 or 1 for bool. */
export type Scalar = number;

/** Refuses a node that a pointwise kernel cannot hold. */
export function refuseNode(graph: Graph, node: Node, reason: string): never {
  const at = node.source === undefined ? "" : ` Traced at ${node.source}.`;
  throw new BackendError(`${node.op} ${reason} in "${graph.name}".${at}`, {
    code: "POINTWISE_UNSUPPORTED",
    path: "pointwise",
    details: { graph: graph.name, op: node.op, source: node.source },
  });
}

export function compareScalars(direction: CompareDirection, a: Scalar, b: Scalar): Scalar {
  switch (direction) {
    case "eq":
      return Number(a === b);
    case "ne":
      return Number(a !== b);
    case "lt":
      return Number(a < b);
    case "le":
      return Number(a <= b);
    case "gt":
      return Number(a > b);
    case "ge":
      return Number(a >= b);
  }
}

/** Brings a number into the range of a dtype: wraps integers, keeps floats as doubles. */
export function wrap(dtype: DType, x: number): Scalar {
  if (dtype === "u32") return x >>> 0;
  if (dtype === "i32") return x | 0;
  if (dtype === "bool") return Number(x !== 0);
  return x;
}

/** Truncates toward zero and saturates, as the vector instructions do. */
function convertScalar(from: DType, to: DType, x: Scalar): Scalar {
  if (to === "bool") return Number(x !== 0);
  const fromFloat = from !== "u32" && from !== "i32" && from !== "bool";
  if (!fromFloat) return wrap(to, x);
  if (to === "u32") return Math.min(Math.max(Math.trunc(x) || 0, 0), 0xffffffff);
  if (to === "i32") return Math.min(Math.max(Math.trunc(x) || 0, -0x80000000), 0x7fffffff);
  return x;
}

const float = (dtype: DType): boolean => dtype === "f32" || dtype === "f64";

/** Elementwise operations on the host; `erf` has no use in an update rule and is left out. */
const functions: { readonly [P in OpName]?: (dtype: DType, ...operands: Scalar[]) => Scalar } = {
  neg: (_, x) => -x!,
  abs: (_, x) => Math.abs(x!),
  sign: (_, x) => Math.sign(x!),
  floor: (_, x) => Math.floor(x!),
  exp: (_, x) => Math.exp(x!),
  log: (_, x) => Math.log(x!),
  sqrt: (_, x) => Math.sqrt(x!),
  tanh: (_, x) => Math.tanh(x!),
  logistic: (_, x) => 1 / (1 + Math.exp(-x!)),
  sin: (_, x) => Math.sin(x!),
  cos: (_, x) => Math.cos(x!),
  not: (dtype, x) => (dtype === "bool" ? 1 - x! : ~x!),
  stopGradient: (_, x) => x!,
  barrier: (_, x) => x!,
  reshape: (_, x) => x!,
  broadcast: (_, x) => x!,
  transpose: (_, x) => x!,
  add: (_, a, b) => a! + b!,
  sub: (_, a, b) => a! - b!,
  mul: (dtype, a, b) => (float(dtype) ? a! * b! : Math.imul(a!, b!)),
  div: (_, a, b) => a! / b!,
  max: (_, a, b) => Math.max(a!, b!),
  min: (_, a, b) => Math.min(a!, b!),
  pow: (_, a, b) => a! ** b!,
  and: (_, a, b) => a! & b!,
  or: (_, a, b) => a! | b!,
  xor: (_, a, b) => a! ^ b!,
  shiftLeft: (_, a, b) => a! << b!,
  shiftRight: (_, a, b) => a! >>> b!,
  select: (_, p, a, b) => (p !== 0 ? a! : b!),
};

function evaluateNode(graph: Graph, node: Node, operands: readonly Scalar[]): Scalar {
  const dtype = node.outputs[0]!.dtype;
  if (node.op === "constant") return wrap(dtype, Number(node.params.data[0]));
  if (node.op === "compare") return compareScalars(node.params.direction, operands[0]!, operands[1]!);
  if (node.op === "convert") return convertScalar(node.inputs[0]!.dtype, dtype, operands[0]!);
  const evaluate = functions[node.op];
  if (evaluate === undefined) refuseNode(graph, node, "is not an elementwise operation");
  return wrap(dtype, evaluate(dtype, ...operands));
}

/** The nodes that no varying value enters, in order. */
export function uniformNodes(graph: Graph, varying: ReadonlySet<Value>): Node[] {
  const differs = new Set(varying);
  return graph.nodes.filter((node) => {
    const uniform = node.inputs.every((value) => !differs.has(value));
    if (!uniform) for (const value of node.outputs) differs.add(value);
    return uniform;
  });
}

/** Evaluates uniform nodes. @param known values of the uniform inputs */
export function evaluateUniform(graph: Graph, nodes: readonly Node[], known: Map<Value, Scalar>): Map<Value, Scalar> {
  for (const node of nodes) {
    known.set(
      node.outputs[0]!,
      evaluateNode(
        graph,
        node,
        node.inputs.map((value) => known.get(value)!),
      ),
    );
  }
  return known;
}
