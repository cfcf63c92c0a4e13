/** @file Attention: heads are strides, scores stay f32 until their softmax is done. */
import type { NodeOf, Value } from "../../../ir/graph.ts";
import { sizeOf } from "../../../ir/shape.ts";
import type { LowerContext } from "./context.ts";
import { emitSoftmax, emitSoftmaxBackward } from "./normalization.ts";
import { narrowed, Pending, type Product } from "./pending.ts";
import { emitBinary } from "./pointwise.ts";
import { sumDownTo } from "./reduction.ts";
import { type Ref, transposeView } from "./ref.ts";

/** [B, T, N, D] → [B, N, T, D]. */
const heads = (ref: Ref): Ref => transposeView(ref, [0, 2, 1, 3]);
/** [B, T, N, D] → [B, N, D, T]. */
const headColumns = (ref: Ref): Ref => transposeView(ref, [0, 2, 3, 1]);
/** Swaps the last two axes. */
const flipped = (ref: Ref): Ref => transposeView(ref, [0, 1, 3, 2]);

/** Writes a product of heads, with its post-operations if any. */
function multiply(context: LowerContext, product: Product, target: Ref): void {
  new Pending(context, product, target.shape, target.shape).emit(target);
}

export function attention(context: LowerContext, node: NodeOf<"attention">): void {
  const { emitter } = context;
  const { scale, bias, mask } = node.params;
  const [q, k, v] = node.inputs.slice(0, 3).map((value) => context.exact(value)) as [Ref, Ref, Ref];
  const [out, probabilities] = node.outputs as readonly [Value, Value];
  const scores = emitter.allocate("f32", probabilities.shape);
  const operand = bias ? context.dense(narrowed(context.floatRef(node.inputs[3]!))) : undefined;
  const product = new Pending(
    context,
    { source: heads(q), weights: headColumns(k), scale },
    scores.shape,
    scores.shape,
  );
  (operand === undefined ? product : product.plus(operand)).emit(scores);
  const chances = context.target(probabilities);
  emitSoftmax(context, scores, chances);
  context.define(probabilities, chances);
  let used = chances;
  if (mask) {
    used = emitter.allocate(chances.dtype, chances.shape);
    emitBinary(context, "mul", [chances, context.floatAs(node.inputs.at(-1)!, chances.dtype)], used);
    context.companions.set(probabilities, { kind: "dropped", probabilities: used });
  }
  const target = context.target(out);
  multiply(context, { source: used, weights: heads(v) }, heads(target));
  context.define(out, target);
}

export function attentionGrad(context: LowerContext, node: NodeOf<"attentionGrad">): void {
  const { emitter } = context;
  const { scale, mask, biasShape } = node.params;
  const [q, k, v, , dOut] = node.inputs.slice(0, 5).map((value) => context.exact(value)) as [Ref, Ref, Ref, Ref, Ref];
  const chances = context.dense(context.exact(node.inputs[3]!));
  const drop = mask ? context.floatAs(node.inputs[5]!, chances.dtype) : undefined;
  const companion = context.companion(node.inputs[3]!);
  let used = chances;
  if (drop !== undefined && companion?.kind === "dropped") used = companion.probabilities;
  else if (drop !== undefined) {
    used = emitter.allocate(chances.dtype, chances.shape);
    emitBinary(context, "mul", [chances, drop], used);
  }
  const [dq, dk, dv, dBias] = node.outputs.map((value) => context.target(value)) as [Ref, Ref, Ref, Ref | undefined];
  multiply(context, { source: flipped(used), weights: heads(dOut) }, heads(dv));
  const gradient = emitter.allocate(chances.dtype, chances.shape);
  const product = new Pending(context, { source: heads(dOut), weights: headColumns(v) }, chances.shape, chances.shape);
  (drop === undefined ? product : product.binary("mul", drop)!).emit(gradient);
  const dScores = emitter.allocate(chances.dtype, chances.shape);
  emitSoftmaxBackward(context, chances, gradient, dScores);
  multiply(context, { source: dScores, weights: heads(k), scale }, heads(dq));
  multiply(context, { source: flipped(dScores), weights: heads(q), scale }, heads(dk));
  if (dBias !== undefined && biasShape !== null && sizeOf(biasShape) > 0) sumDownTo(context, dScores, dBias);
  node.outputs.forEach((value) => {
    context.define(value, context.target(value));
  });
}
