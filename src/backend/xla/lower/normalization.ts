/** @file Normalisations as functions of their own; statistics and sums are f32. */
import type { OpName } from "../../../ir/graph.ts";
import { callFunction } from "./call-function.ts";
import type { Rule } from "./context.ts";
import type { Ref } from "./emitter.ts";
import { acrossRows, alongLast, rowMean, softmaxGradRows, softmaxRows, widen } from "./row.ts";

const layerNorm: Rule<"layerNorm"> = (context, node) => {
  const { epsilon } = node.params;
  const [x, gain, bias] = context.refsOf(node) as [Ref, Ref, Ref];
  return callFunction(context.emitter, "layerNorm", { epsilon }, { x, gain, bias }, (emitter, given) => {
    const wide = widen(emitter, given.x);
    const { shape } = wide;
    const mean = rowMean(emitter, wide);
    const centered = emitter.subtract(wide, acrossRows(emitter, mean, shape));
    const variance = rowMean(emitter, emitter.multiply(centered, centered));
    const rstd = emitter.unary("rsqrt", emitter.add(variance, epsilon));
    const normal = emitter.multiply(centered, acrossRows(emitter, rstd, shape));
    const scaled = emitter.multiply(normal, alongLast(emitter, widen(emitter, given.gain), shape));
    const y = emitter.add(scaled, alongLast(emitter, widen(emitter, given.bias), shape));
    return [emitter.convert(y, given.x.dtype), mean, rstd];
  });
};

/** dx = rstd·(g − mean(g) − x̂·mean(g·x̂)) with g = dy·gain. */
const layerNormGrad: Rule<"layerNormGrad"> = (context, node) => {
  const [x, gain, mean, rstd, dy] = context.refsOf(node) as [Ref, Ref, Ref, Ref, Ref];
  const held = node.outputs.map((value) => context.heldDtype(value));
  const operands = { x, gain, mean, rstd, dy };
  return callFunction(context.emitter, "layerNormGrad", { held }, operands, (emitter, given) => {
    const wide = widen(emitter, given.x);
    const { shape } = wide;
    const spread = (row: Ref): Ref => acrossRows(emitter, row, shape);
    const slope = widen(emitter, given.dy);
    const normal = emitter.multiply(emitter.subtract(wide, spread(given.mean)), spread(given.rstd));
    const g = emitter.multiply(slope, alongLast(emitter, widen(emitter, given.gain), shape));
    const along = emitter.multiply(normal, spread(rowMean(emitter, emitter.multiply(g, normal))));
    const centered = emitter.subtract(g, spread(rowMean(emitter, g)));
    const dx = emitter.multiply(emitter.subtract(centered, along), spread(given.rstd));
    const leading = shape.slice(0, -1).map((_, axis) => axis);
    const dGain = emitter.reduce("add", emitter.multiply(slope, normal), leading, 0);
    const dBias = emitter.reduce("add", slope, leading, 0);
    return [dx, dGain, dBias].map((ref, i) => emitter.convert(ref, held[i]!));
  });
};

const softmax: Rule<"softmax"> = (context, node) => {
  const [x] = context.refsOf(node) as [Ref];
  return callFunction(context.emitter, "softmax", {}, { x }, (emitter, given) => [
    emitter.convert(softmaxRows(emitter, widen(emitter, given.x)), given.x.dtype),
  ]);
};

const softmaxGrad: Rule<"softmaxGrad"> = (context, node) => {
  const [y, dy] = context.refsOf(node) as [Ref, Ref];
  return callFunction(context.emitter, "softmaxGrad", {}, { y, dy }, (emitter, given) => [
    emitter.convert(softmaxGradRows(emitter, widen(emitter, given.y), widen(emitter, given.dy)), given.y.dtype),
  ]);
};

export const normalizationRules = { layerNorm, layerNormGrad, softmax, softmaxGrad } satisfies {
  readonly [P in OpName]?: Rule<P>;
};
