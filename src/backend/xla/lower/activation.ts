import type { OpName } from "../../../ir/graph.ts";
import { callFunction } from "./call-function.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { erf } from "./erf.ts";
import { widen } from "./row.ts";

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** Φ(x) = (1 + erf(x/√2)) / 2. */
function normalCdf(emitter: Emitter, x: Ref): Ref {
  return emitter.multiply(emitter.add(erf(emitter, emitter.multiply(x, Math.SQRT1_2)), 1), 0.5);
}

/** tanh(√(2/π)·(x + 0.044715·x³)). */
function inner(emitter: Emitter, x: Ref, square: Ref): Ref {
  const cubic = emitter.multiply(x, emitter.add(emitter.multiply(square, CUBIC), 1));
  return emitter.unary("tanh", emitter.multiply(cubic, SQRT_2_OVER_PI));
}

const gelu: Rule<"gelu"> = (context, node) => {
  const { approximate } = node.params;
  const [x] = context.refsOf(node) as [Ref];
  return callFunction(context.emitter, "gelu", { approximate }, { x }, (emitter, given) => {
    const wide = widen(emitter, given.x);
    const share =
      approximate === "none"
        ? normalCdf(emitter, wide)
        : emitter.multiply(emitter.add(inner(emitter, wide, emitter.multiply(wide, wide)), 1), 0.5);
    return [emitter.convert(emitter.multiply(wide, share), given.x.dtype)];
  });
};

/** Φ(x) + x·φ(x). */
function exactSlope(emitter: Emitter, x: Ref): Ref {
  const power = emitter.unary("exponential", emitter.multiply(emitter.multiply(x, x), -0.5));
  const density = emitter.multiply(power, 1 / Math.sqrt(2 * Math.PI));
  return emitter.add(normalCdf(emitter, x), emitter.multiply(x, density));
}

function approximateSlope(emitter: Emitter, x: Ref): Ref {
  const square = emitter.multiply(x, x);
  const t = inner(emitter, x, square);
  const slope = emitter.multiply(emitter.add(emitter.multiply(square, 3 * CUBIC), 1), SQRT_2_OVER_PI);
  const bend = emitter.subtract(emitter.fill(t, 1), emitter.multiply(t, t));
  const share = emitter.multiply(emitter.add(t, 1), 0.5);
  return emitter.add(share, emitter.multiply(emitter.multiply(emitter.multiply(x, 0.5), bend), slope));
}

const geluGrad: Rule<"geluGrad"> = (context, node) => {
  const { approximate } = node.params;
  const [x, dy] = context.refsOf(node) as [Ref, Ref];
  return callFunction(context.emitter, "geluGrad", { approximate }, { x, dy }, (emitter, given) => {
    const wide = widen(emitter, given.x);
    const slope = approximate === "none" ? exactSlope(emitter, wide) : approximateSlope(emitter, wide);
    return [emitter.convert(emitter.multiply(widen(emitter, given.dy), slope), given.x.dtype)];
  });
};

export const activationRules = { gelu, geluGrad } satisfies { readonly [P in OpName]?: Rule<P> };
