/**
 * @file Barriers: values that must not be computed on before the backward pass gets there.
 *
 * ONNX Runtime orders nodes by its own depth-first walk, so a recomputed forward piece could run long before it is
 * needed and be kept, which is what recomputation is to avoid. A barrier becomes a Reshape (a view, no copy) whose shape
 * operand depends on the node before it in program order.
 */
import type { OnnxNode } from "../proto/model.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { shapeAfter } from "./tie.ts";

/** Stands for a barrier until it is known which nodes stay. */
const PLACEHOLDER = "Barrier";

export const barrier: Rule<"barrier"> = (context: LowerContext, node) => {
  const x = context.ref(node.inputs[0]!);
  return [context.emitter.isNested ? x : context.emitter.op(PLACEHOLDER, [x], x)];
};

/** The nodes with every barrier tied to the last node before it. */
export function tieBarriers(emitter: Emitter, nodes: readonly OnnxNode[]): OnnxNode[] {
  const tied: OnnxNode[] = [];
  let last: string | undefined;
  for (const node of nodes) {
    if (node.opType !== PLACEHOLDER) {
      tied.push(node);
      last = node.outputs[0];
      continue;
    }
    const [output] = node.outputs as [string];
    const { shape } = emitter.typeOf(output);
    let shapeName = emitter.ints(shape).name;
    if (last !== undefined) {
      const after = shapeAfter(emitter, shape, [last]);
      tied.push(...after.nodes);
      shapeName = after.name;
    }
    tied.push({
      ...node,
      opType: "Reshape",
      inputs: [node.inputs[0]!, shapeName],
      attributes: { allowzero: { int: 1 } },
    });
  }
  return tied;
}

/** The barriers among the nodes: their shapes must be stated, because ONNX Runtime cannot infer them. */
export function barrierTypes(emitter: Emitter, nodes: readonly OnnxNode[]): Ref[] {
  return nodes.filter(({ opType }) => opType === PLACEHOLDER).map(({ outputs }) => emitter.typeOf(outputs[0]!));
}
