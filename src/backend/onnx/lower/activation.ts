import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";

export const gelu: Rule<"gelu"> = (context, { inputs, params: { approximate } }) => [
  context.emitter.unary("Gelu", context.ref(inputs[0]!), { approximate: { string: approximate } }),
];

/**
 * dx = dy·(Φ(x) + x·φ(x)), with t = x/√2: Φ = ½ + ½·erf t in one HardSigmoid, x·φ = t / (√π·exp t²) without a negation.
 */
function exactDerivative(emitter: Emitter, x: Ref): Ref {
  const { shape } = x;
  const t = emitter.scale(x, Math.SQRT1_2);
  const half = { alpha: { float: 0.5 }, beta: { float: 0.5 } };
  const cumulative = emitter.unary("HardSigmoid", emitter.unary("Erf", t), half);
  const growth = emitter.unary("Exp", emitter.binary("Mul", t, t, shape));
  const density = emitter.scale(emitter.binary("Div", t, growth, shape), 1 / Math.sqrt(Math.PI));
  return emitter.binary("Add", cumulative, density, shape);
}

/** With u = c·(x + a·x³): ½·(1 + tanh u) + ½·x·(1 − tanh² u)·c·(1 + 3a·x²). */
function tanhDerivative(emitter: Emitter, x: Ref): Ref {
  const { shape } = x;
  const [c, a] = [Math.sqrt(2 / Math.PI), 0.044715];
  const one = emitter.scalar("f32", 1);
  const plusOne = (ref: Ref) => emitter.binary("Add", ref, one, shape);
  const square = emitter.binary("Mul", x, x, shape);
  const inner = emitter.binary("Mul", emitter.scale(x, c), plusOne(emitter.scale(square, a)), shape);
  const y = emitter.unary("Tanh", inner);
  const slope = emitter.binary("Mul", emitter.scale(x, c), plusOne(emitter.scale(square, 3 * a)), shape);
  const bend = emitter.binary("Sub", one, emitter.binary("Mul", y, y, shape), shape);
  const sum = emitter.binary("Add", plusOne(y), emitter.binary("Mul", bend, slope, shape), shape);
  return emitter.scale(sum, 0.5);
}

export const geluGrad: Rule<"geluGrad"> = (context, { inputs, params: { approximate } }) => {
  const { emitter } = context;
  const [x, dy] = inputs.map((value) => context.ref(value)) as [Ref, Ref];
  const derivative = approximate === "tanh" ? tanhDerivative(emitter, x) : exactDerivative(emitter, x);
  return [emitter.binary("Mul", dy, derivative, x.shape)];
};
