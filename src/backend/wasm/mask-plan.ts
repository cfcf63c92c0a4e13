/**
 * @file Dropout masks made outside the graph.
 *
 * A mask depends on nothing but a key. Where that key comes from graph inputs through `foldIn` and sums, the mask is filled
 * before each run by a kernel of this folder, several times faster than the engines' elementwise operators make the same
 * bits. Masks with keys made in other ways stay in the graph.
 */
import type { Graph, NodeOf, Value } from "../../ir/graph.ts";
import { foldIn } from "./random-mask.ts";

/** A key or a number known before the graph runs: made by `foldIn` and sums from graph inputs and constants. */
export type HostExpression =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "constant"; readonly words: readonly number[] }
  | { readonly kind: "foldIn"; readonly key: HostExpression; readonly data: HostExpression }
  | { readonly kind: "sum"; readonly left: HostExpression; readonly right: HostExpression };

/** One mask to fill before a run. */
export interface PlannedMask {
  readonly value: Value;
  readonly key: HostExpression;
  readonly rate: number;
}

/** The u32 words of an expression, given the words of the graph's inputs. */
export function evaluateOnHost(
  expression: HostExpression,
  wordsOfInput: (index: number) => ArrayLike<number>,
): number[] {
  switch (expression.kind) {
    case "input":
      return Array.from(wordsOfInput(expression.index), (word) => word >>> 0);
    case "constant":
      return [...expression.words];
    case "foldIn": {
      const [k0, k1] = evaluateOnHost(expression.key, wordsOfInput) as [number, number];
      const [data] = evaluateOnHost(expression.data, wordsOfInput) as [number];
      return [...foldIn([k0, k1], data)];
    }
    case "sum": {
      const right = evaluateOnHost(expression.right, wordsOfInput);
      return evaluateOnHost(expression.left, wordsOfInput).map((word, i) => (word + right[i]!) >>> 0);
    }
  }
}

/** The masks of a graph that can be made before it runs. */
export function planMasks(graph: Graph): PlannedMask[] {
  const expressions = new Map<Value, HostExpression>();
  graph.inputs.forEach(({ value }, index) => {
    if (value.dtype === "u32" && value.shape.length <= 1) expressions.set(value, { kind: "input", index });
  });
  const masks: PlannedMask[] = [];
  for (const node of graph.nodes) {
    if (node.op === "constant" && node.params.dtype === "u32" && node.params.data.length <= 2) {
      expressions.set(node.outputs[0]!, { kind: "constant", words: Array.from(node.params.data) });
    } else if (node.op === "stopGradient" || node.op === "barrier") {
      const same = expressions.get(node.inputs[0]!);
      if (same !== undefined) expressions.set(node.outputs[0]!, same);
    } else if (node.op === "foldIn") {
      const folded = foldInExpression(node, expressions);
      if (folded !== undefined) expressions.set(node.outputs[0]!, folded);
    } else if (node.op === "add") {
      const [left, right] = node.inputs.map((value) => expressions.get(value));
      if (left !== undefined && right !== undefined) expressions.set(node.outputs[0]!, { kind: "sum", left, right });
    } else if (node.op === "dropoutMask") {
      const key = expressions.get(node.inputs[0]!);
      if (key !== undefined) masks.push({ value: node.outputs[0]!, key, rate: node.params.rate });
    }
  }
  return masks;
}

function foldInExpression(
  node: NodeOf<"foldIn">,
  expressions: ReadonlyMap<Value, HostExpression>,
): HostExpression | undefined {
  const [key, data] = node.inputs.map((value) => expressions.get(value));
  return key === undefined || data === undefined ? undefined : { kind: "foldIn", key, data };
}
