/** @file Sums that another kernel can take upon itself: gradients mostly meet in an `add`. */
import type { Value } from "../../../ir/graph.ts";
import { sizeOf } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import { lowerDot, lowerLinear } from "./dot.ts";
import { plainAdd } from "./elementwise.ts";
import type { Ref } from "./emitter.ts";
import { concatenate, scatterAddElements } from "./movement.ts";

type Attempt = (context: LowerContext, one: Value, other: Value) => Ref | undefined;

/** The gradient of a table that has another use too (a tied decoder) is scattered into the other gradient. */
const intoTableGradient: Attempt = (context, one, other) => {
  const node = context.soleProducer(one, "embeddingGrad");
  if (node === undefined) return undefined;
  const [ids, rows] = node.inputs.map((value) => context.ref(value)) as [Ref, Ref];
  const flat = context.emitter.reshape(rows, [sizeOf(ids.shape), one.shape[1]!]);
  return scatterAddElements(context.emitter, context.ref(other), ids, flat, 0);
};

const intoProduct: Attempt = (context, one, other) => {
  const dot = context.soleProducer(one, "dot");
  if (dot !== undefined && dot.params.lhsBatch.length === 0) return lowerDot(context, dot, context.ref(other));
  const linear = context.soleProducer(one, "linear");
  return linear !== undefined && !linear.params.bias ? lowerLinear(context, linear, context.ref(other)) : undefined;
};

interface Piece {
  readonly source: Value;
  readonly start: number;
}

/** The operands of a chain of sums that nobody else uses. */
function summands(context: LowerContext, value: Value): Value[] {
  const node = context.soleProducer(value, "add");
  return node === undefined ? [value] : node.inputs.flatMap((input) => summands(context, input));
}

/** Where a value that is only padded along one axis lies; undefined for everything else. */
function pieceAlong(context: LowerContext, value: Value, axis: number): Piece | undefined {
  const node = context.soleProducer(value, "pad");
  if (node === undefined) return undefined;
  const { low, high, interior } = node.params;
  const clean = interior.every((count) => count === 0);
  const onlyHere = low.every((count, i) => i === axis || (count === 0 && high[i] === 0));
  return clean && onlyHere ? { source: node.inputs[0]!, start: low[axis]! } : undefined;
}

/** Slices that tile an axis give gradients that are padded and summed: that is their concatenation. */
const tiledPieces: Attempt = (context, one, other) => {
  const parts = [...summands(context, one), ...summands(context, other)];
  for (let axis = 0; axis < one.shape.length; axis++) {
    const pieces = parts.map((value) => pieceAlong(context, value, axis));
    if (pieces.some((piece) => piece === undefined)) continue;
    const sorted = (pieces as Piece[]).sort((a, b) => a.start - b.start);
    let end = 0;
    const tiles = sorted.every(({ source, start }) => {
      const fits = start === end;
      end = start + source.shape[axis]!;
      return fits;
    });
    if (!tiles || end !== one.shape[axis]) continue;
    return concatenate(
      context.emitter,
      sorted.map(({ source }) => context.ref(source)),
      axis,
    );
  }
  return undefined;
};

const attempts: readonly Attempt[] = [intoTableGradient, tiledPieces, intoProduct];

export const add: Rule<"add"> = (context, node) => {
  const late = context.lateSums.get(node.outputs[0]!);
  if (late?.rest !== undefined) return [context.ref(late.rest)];
  const [a, b] = node.inputs as [Value, Value];
  if (a.dtype === "f32" && a !== b) {
    for (const attempt of attempts) {
      // The later operand first: it is the one that would otherwise wait in memory.
      const fused = attempt(context, b, a) ?? attempt(context, a, b);
      if (fused !== undefined) return [fused];
    }
  }
  return plainAdd(context, node);
};
