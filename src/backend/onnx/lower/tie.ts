/**
 * @file Ties: dependencies that carry no data, so that nodes run in program order where memory hangs on it.
 *
 * ONNX Runtime orders nodes by its own walk (`executionOrder`). Left to itself it makes weight gradients, which nobody
 * reads, last of all, and keeps what they are made of until then. A tie is a Reshape (a view, no copy) whose shape operand
 * depends on the results that must be there before.
 */
import { sizeOf } from "../../../ir/shape.ts";
import type { OnnxNode } from "../proto/model.ts";
import type { Emitter, Ref } from "./emitter.ts";

/** Nodes with smaller results do not wait: what they hold back is little. */
const LARGE_ELEMENTS = 16_384;

/** The nodes that give a shape, but only after some results were made. */
export function shapeAfter(
  emitter: Emitter,
  shape: readonly number[],
  results: readonly string[],
): { readonly nodes: readonly OnnxNode[]; readonly name: string } {
  const sizes = results.map((result): OnnxNode => {
    return { opType: "Size", inputs: [result], outputs: [emitter.freshName("Size")] };
  });
  const names = sizes.map(({ outputs }) => outputs[0]!);
  const joint: OnnxNode[] =
    names.length === 1 ? [] : [{ opType: "Max", inputs: names, outputs: [emitter.freshName("Max")] }];
  const [nothing, later] = [emitter.freshName("Mul"), emitter.freshName("Add")];
  const last = joint[0]?.outputs[0] ?? names[0]!;
  return {
    nodes: [
      ...sizes,
      ...joint,
      { opType: "Mul", inputs: [last, emitter.scalar("i64", 0).name], outputs: [nothing] },
      { opType: "Add", inputs: [emitter.ints(shape).name, nothing], outputs: [later] },
    ],
    name: later,
  };
}

/**
 * The nodes with every result that only the caller reads tied to the next large node, which waits for it.
 * @returns the nodes, and the types of the ties: ONNX Runtime cannot infer them
 */
export function tieResults(
  emitter: Emitter,
  nodes: readonly OnnxNode[],
  readNames: ReadonlySet<string>,
): { readonly nodes: OnnxNode[]; readonly types: Ref[] } {
  const tied: OnnxNode[] = [];
  const types: Ref[] = [];
  let waiting: string[] = [];
  for (const node of nodes) {
    const isLeaf = !node.outputs.some((name) => readNames.has(name));
    const made = emitter.results.get(node.outputs[0]!);
    const at = node.inputs.findIndex((name) => {
      const type = emitter.results.get(name);
      return type?.dtype === "f32" && type.shape.length > 0;
    });
    if (isLeaf || at === -1 || waiting.length === 0 || made === undefined || sizeOf(made.shape) < LARGE_ELEMENTS) {
      tied.push(node);
      if (isLeaf) waiting.push(node.outputs[0]!);
      continue;
    }
    const operand = emitter.results.get(node.inputs[at]!)!;
    const after = shapeAfter(emitter, operand.shape, waiting);
    const view: Ref = { ...operand, name: emitter.freshName("Tie") };
    types.push(view);
    tied.push(
      ...after.nodes,
      {
        opType: "Reshape",
        inputs: [operand.name, after.name],
        outputs: [view.name],
        attributes: { allowzero: { int: 1 } },
      },
      { ...node, inputs: node.inputs.with(at, view.name) },
    );
    waiting = [];
  }
  return { nodes: tied, types };
}
