/**
 * @file 16-bit results that are only read in f32: gradients of weights, say, which are computed in bf16 and then kept in
 * f32. Sums and products are accumulated in f32 anyway, so they are not rounded in between.
 */
import { statisticDtype } from "../../../ir/dtype.ts";
import type { Graph, Node, OpName, Value } from "../../../ir/graph.ts";

/** What can be made in f32 from 16-bit operands at no cost. */
const makers = new Set<OpName>(["dot", "reduceSum", "scatterAdd", "embeddingGrad", "layerNormGrad"]);
/** What passes on what it is given. */
const carriers = new Set<OpName>(["add", "reshape", "transpose"]);

/** The values of 16 bits that are made in f32: all who read them convert them to f32, or pass them on to such. */
export function planWide({ nodes, outputs }: Graph): ReadonlySet<Value> {
  const narrow = new Set<Value>(outputs.map(({ value }) => value));
  const wide = new Set<Value>();
  const isWide = (node: Node): boolean => node.outputs.some((value) => wide.has(value));
  for (const node of [...nodes].reverse()) {
    if (makers.has(node.op) || carriers.has(node.op)) {
      for (const value of node.outputs) {
        if (statisticDtype(value.dtype) !== value.dtype && !narrow.has(value)) wide.add(value);
      }
    }
    const passes = carriers.has(node.op) && isWide(node);
    const widens = node.op === "convert" && node.params.dtype === "f32";
    if (!passes && !widens) for (const value of node.inputs) narrow.add(value);
  }
  return wide;
}
