/** @file Layer normalisation, softmax and gelu with their gradients, by the library's own primitives. */
import type { NodeOf, Value } from "../../../ir/graph.ts";
import type { LowerContext } from "./context.ts";
import { applyEltwise, viaDense } from "./pointwise.ts";
import { type Ref, reshapeView } from "./ref.ts";

/** A vector as the library wants gains: dense f32. */
const vector = (context: LowerContext, value: Value): Ref => context.dense(context.floatAs(value, "f32"));

/** The dense matrix of a float value's last axis against all others. */
const matrixOf = (context: LowerContext, value: Value): Ref => context.rows(context.dense(context.exact(value)));

export function layerNorm(context: LowerContext, node: NodeOf<"layerNorm">): void {
  const { emitter } = context;
  const [x, gain, bias] = node.inputs as readonly [Value, Value, Value];
  const [y, mean, rstd] = node.outputs as readonly [Value, Value, Value];
  const { epsilon } = node.params;
  const target = context.target(y);
  // Major 2 wants one dtype on both sides; what is read in f32 alone is made in f32.
  const given = matrixOf(context, x);
  const source = given.dtype === target.dtype ? given : context.cast(given, target.dtype);
  const rows = [source.shape[0]!];
  const [meanRef, variance] = [context.target(mean), emitter.allocate("f32", rows)];
  const means = reshapeView(meanRef, rows)!;
  const [gains, shift] = [vector(context, gain), vector(context, bias)];
  viaDense(context, target, (place) => {
    const result = reshapeView(place, source.shape)!;
    emitter.step([source, gains, shift], [result, means, variance], (locate) => ({
      kind: "layerNorm",
      epsilon,
      source: locate(source),
      target: locate(result),
      mean: locate(means),
      variance: locate(variance),
      gain: locate(gains),
      shift: locate(shift),
    }));
  });
  context.define(y, target);
  context.define(mean, meanRef);
  context.companions.set(rstd, { kind: "variance", variance, epsilon });
  // The gradient works from the variance itself; 1/√(variance + epsilon) is for all other readers.
  const others = context.readersOf(rstd).filter(({ op }) => op !== "layerNormGrad" && op !== "barrier");
  const shown = context.readersOf(rstd).some(({ op }) => op === "barrier");
  if (others.length === 0 && !shown && !context.isResult(rstd)) {
    context.define(rstd, reshapeView(variance, rstd.shape)!);
    return;
  }
  const [shifted, result] = [emitter.allocate("f32", rows), context.target(rstd)];
  emitter.eltwise({ algorithm: "linear", alpha: 1, beta: epsilon }, variance, shifted);
  emitter.eltwise({ algorithm: "pow", alpha: 1, beta: -0.5 }, shifted, reshapeView(result, rows)!);
  context.define(rstd, result);
}

/** Variance and epsilon behind a reciprocal standard deviation. */
function varianceOf(
  context: LowerContext,
  rstd: Value,
  rows: readonly number[],
): { readonly ref: Ref; readonly epsilon: number } {
  const companion = context.companion(rstd);
  if (companion?.kind === "variance") return { ref: companion.variance, epsilon: companion.epsilon };
  const ref = context.emitter.allocate("f32", rows);
  context.emitter.eltwise(
    { algorithm: "pow", alpha: 1, beta: -2 },
    context.reshaped(context.dense(context.exact(rstd)), rows),
    ref,
  );
  return { ref, epsilon: 0 };
}

export function layerNormGrad(context: LowerContext, node: NodeOf<"layerNormGrad">): void {
  const { emitter } = context;
  const [x, gain, mean, rstd, dy] = node.inputs as readonly [Value, Value, Value, Value, Value];
  const [dx, dGain, dBias] = node.outputs as readonly [Value, Value, Value];
  const [source, gradient] = [matrixOf(context, x), matrixOf(context, dy)];
  const rows = [source.shape[0]!];
  const means = context.reshaped(context.dense(context.exact(mean)), rows);
  const { ref: variance, epsilon } = varianceOf(context, rstd, rows);
  const gains = vector(context, gain);
  const target = context.target(dx);
  // The library gives gradients of gain and shift in f32.
  const wide = [dGain, dBias].map((value) => {
    const place = context.target(value);
    return place.dtype === "f32" ? place : emitter.allocate("f32", value.shape);
  }) as [Ref, Ref];
  viaDense(context, target, (place) => {
    const whole = reshapeView(place, source.shape)!;
    const result = whole.dtype === source.dtype ? whole : emitter.allocate(source.dtype, source.shape);
    const [gainGradient, shiftGradient] = wide;
    emitter.step([source, means, variance, gradient, gains], [result, gainGradient, shiftGradient], (locate) => ({
      kind: "layerNormBackward",
      epsilon,
      source: locate(source),
      mean: locate(means),
      variance: locate(variance),
      targetGradient: locate(gradient),
      sourceGradient: locate(result),
      gain: locate(gains),
      gainGradient: locate(gainGradient),
      shiftGradient: locate(shiftGradient),
    }));
    if (result !== whole) context.copy(result, whole);
  });
  context.define(dx, target);
  [dGain, dBias].forEach((value, i) => {
    const [made, place] = [wide[i]!, context.target(value)];
    if (made !== place) context.copy(made, place);
    context.define(value, place);
  });
}

/** eˣ / Σ eˣ over the last axis, or its logarithm; dtypes may differ. */
export function emitSoftmax(context: LowerContext, source: Ref, target: Ref, log = false): void {
  context.emitter.step(
    [source],
    [target],
    (locate) => ({
      kind: "softmax",
      axis: source.shape.length - 1,
      log,
      source: locate(source),
      target: locate(target),
    }),
    [source, target],
  );
}

/** Gradient of the above from its result. */
export function emitSoftmaxBackward(context: LowerContext, result: Ref, gradient: Ref, target: Ref, log = false): void {
  context.emitter.step(
    [result, gradient],
    [target],
    (locate) => ({
      kind: "softmaxBackward",
      axis: result.shape.length - 1,
      log,
      result: locate(result),
      targetGradient: locate(gradient),
      sourceGradient: locate(target),
    }),
    [gradient, target],
  );
}

export function softmax(context: LowerContext, { inputs, outputs }: NodeOf<"softmax">): void {
  const source = matrixOf(context, inputs[0]!);
  const target = context.target(outputs[0]!);
  viaDense(context, target, (place) => emitSoftmax(context, source, reshapeView(place, source.shape)!));
  context.define(outputs[0]!, target);
}

export function softmaxGrad(context: LowerContext, { inputs, outputs }: NodeOf<"softmaxGrad">): void {
  const [result, gradient] = inputs.map((value) => matrixOf(context, value)) as [Ref, Ref];
  const target = context.target(outputs[0]!);
  viaDense(context, target, (place) =>
    emitSoftmaxBackward(context, result, gradient, reshapeView(place, result.shape)!),
  );
  context.define(outputs[0]!, target);
}

const geluAlgorithm = { none: "geluErf", tanh: "geluTanh" } as const;

export function gelu(context: LowerContext, { inputs, outputs, params }: NodeOf<"gelu">): void {
  applyEltwise(context, { algorithm: geluAlgorithm[params.approximate] }, inputs[0]!, outputs[0]!);
}

export function geluGrad(context: LowerContext, { inputs, outputs, params }: NodeOf<"geluGrad">): void {
  const [data, gradient] = inputs.map((value) => matrixOf(context, value)) as [Ref, Ref];
  const target = context.target(outputs[0]!);
  viaDense(context, target, (place) => {
    const result = reshapeView(place, data.shape)!;
    context.emitter.step(
      [data, gradient],
      [result],
      (locate) => ({
        kind: "eltwiseBackward",
        algorithm: geluAlgorithm[params.approximate],
        alpha: 0,
        beta: 0,
        fromResult: false,
        data: locate(data),
        targetGradient: locate(gradient),
        sourceGradient: locate(result),
      }),
      [gradient, result],
    );
  });
  context.define(outputs[0]!, target);
}
