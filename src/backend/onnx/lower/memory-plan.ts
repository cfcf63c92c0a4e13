/** @file How much memory a model's intermediate results take at once. */
import { sizeOf } from "../../../ir/shape.ts";
import { ELEMENT_TYPES, type OnnxElementType } from "../proto/element-type.ts";
import type { OnnxNode } from "../proto/model.ts";
import { usedNames } from "./emitter.ts";

/** Operators whose result is their first operand's memory under another shape. */
const views = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten"]);

/** Operators that may write over an operand of the result's size that nobody reads afterwards. */
const inPlace = new Set([
  ...["Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sign", "Floor", "Exp", "Log", "Sqrt", "Tanh", "Erf", "Sigmoid", "Not"],
  ...["HardSigmoid", "Softmax", "Gelu", "Relu", "Identity", "ScatterElements", "Cast"],
]);

/** ONNX Runtime rounds every allocation up to this. */
const GRAIN = 256;

interface ValueType {
  readonly dtype: OnnxElementType;
  readonly shape: readonly number[];
}

export interface MemoryPlan {
  /** Most bytes of intermediate results alive at once, in the given order. */
  readonly peakBytes: number;
  /** The position in the order where that is. */
  readonly peakAt: number;
}

/**
 * Walks through the nodes in their order and adds up what is alive.
 * @param typeOf types of results; undefined for names from outside
 * @param external names whose memory is the caller's: bound inputs and outputs, constants
 */
export function planMemory(
  nodes: readonly OnnxNode[],
  order: readonly number[],
  typeOf: (name: string) => ValueType | undefined,
  external: ReadonlySet<string>,
): MemoryPlan {
  const bytesOf = (name: string): number => {
    const type = typeOf(name);
    if (type === undefined) return 0;
    return Math.ceil((sizeOf(type.shape) * ELEMENT_TYPES[type.dtype].byteSize) / GRAIN) * GRAIN;
  };
  const lastUse = new Map<string, number>();
  order.forEach((i, time) => {
    const node = nodes[i]!;
    for (const name of usedNames(node)) lastUse.set(name, time);
    for (const name of node.outputs) if (!lastUse.has(name)) lastUse.set(name, time);
  });
  /** The block of memory behind every name, with the number of names that still need it. */
  const blocks = new Map<string, { readonly bytes: number; users: number }>();
  let [alive, peakBytes, peakAt] = [0, 0, 0];
  order.forEach((i, time) => {
    const node = nodes[i]!;
    const [first] = node.inputs;
    node.outputs.forEach((name, k) => {
      if (name === "" || external.has(name)) return;
      const shared =
        k > 0
          ? undefined
          : views.has(node.opType)
            ? first
            : inPlace.has(node.opType)
              ? node.inputs.find((input) => {
                  const block = blocks.get(input);
                  return block?.users === 1 && lastUse.get(input) === time && block.bytes === bytesOf(name);
                })
              : undefined;
      const block = shared === undefined ? undefined : blocks.get(shared);
      if (block !== undefined) {
        block.users++;
        blocks.set(name, block);
      } else if (shared === undefined || !views.has(node.opType)) {
        const made = { bytes: bytesOf(name), users: 1 };
        blocks.set(name, made);
        alive += made.bytes;
      }
    });
    if (alive > peakBytes) [peakBytes, peakAt] = [alive, time];
    for (const name of new Set([...usedNames(node), ...node.outputs])) {
      const block = blocks.get(name);
      if (block === undefined || lastUse.get(name) !== time) continue;
      blocks.delete(name);
      if (--block.users === 0) alive -= block.bytes;
    }
  });
  return { peakBytes, peakAt };
}
