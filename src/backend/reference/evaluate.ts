import { BackendError } from "../../base/errors.ts";
import type { HostTensor } from "../../ir/dtype.ts";
import type { Graph, NodeOf, PrimitiveName, Value } from "../../ir/graph.ts";
import { isComposite } from "../../ir/op.ts";
import {
  allocateTensor,
  copyFromHost,
  copyToHost,
  type Precision,
  roundToDtype,
  type Tensor,
} from "../host/storage.ts";
import { primitiveKernels } from "../host/table.ts";

/** @throws {BackendError} OP_NOT_SUPPORTED naming the first composite; calls are run through */
export function requirePrimitives(graph: Graph): void {
  graph.nodes.forEach((node, i) => {
    if (node.op === "call" || node.op === "scan") {
      requirePrimitives(node.params.body);
    } else if (isComposite(node.op)) {
      const where = `node ${i} of "${graph.name}" (${node.source ?? "unknown source"})`;
      throw new BackendError(`takes primitives only; ${where} is ${node.op}. Decompose the graph first.`, {
        code: "OP_NOT_SUPPORTED",
        path: "reference",
        details: { op: node.op, index: i },
      });
    }
  });
}

function runNode<P extends PrimitiveName>(node: NodeOf<P>, inputs: readonly Tensor[], precision: Precision): Tensor[] {
  const outputs = node.outputs.map(({ dtype, shape }) => allocateTensor(dtype, shape, precision));
  primitiveKernels[node.op]({
    inputs,
    outputs,
    params: node.params,
    evaluate: (graph, operands) => evaluate(graph, operands, precision),
  });
  for (const tensor of outputs) roundToDtype(tensor, precision);
  return outputs;
}

/** Interprets a graph of primitives and calls. */
export function evaluate(graph: Graph, inputs: readonly Tensor[], precision: Precision): Tensor[] {
  const tensors = new Map<Value, Tensor>();
  graph.inputs.forEach(({ value }, i) => {
    tensors.set(value, inputs[i]!);
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.map((value) => tensors.get(value)!);
    const results =
      node.op === "call"
        ? evaluate(node.params.body, operands, precision)
        : runNode(node as NodeOf<PrimitiveName>, operands, precision);
    node.outputs.forEach((value, i) => {
      tensors.set(value, results[i]!);
    });
  }
  return graph.outputs.map(({ value }) => tensors.get(value)!);
}

/**
 * Runs a graph of primitives at once, in double precision, for tests and for folding small constant graphs.
 * Float results are Float64Array whatever their dtype.
 * @throws {BackendError} OP_NOT_SUPPORTED when a composite was not decomposed
 */
export function evaluateGraph(graph: Graph, inputs: readonly HostTensor[]): HostTensor[] {
  requirePrimitives(graph);
  const operands = graph.inputs.map(({ name, value }, i) => {
    const tensor = allocateTensor(value.dtype, value.shape, "f64");
    copyFromHost(tensor, inputs[i]!.data, `graph "${graph.name}", input "${name}"`, "f64");
    return tensor;
  });
  return evaluate(graph, operands, "f64").map((tensor) => ({
    dtype: tensor.dtype,
    shape: tensor.shape,
    data: copyToHost(tensor, "f64"),
  }));
}
