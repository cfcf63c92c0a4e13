import { add, erf, exp, mul, sub, tanh } from "../elementwise.ts";
import { square } from "../reduction.ts";
import type { Tensor } from "../tensor.ts";
import type { Decomposition } from "./rule.ts";

const SQRT_HALF = Math.SQRT1_2;
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** tanh(√(2/π)·(x + 0.044715·x³)) */
function inner(x: Tensor): Tensor {
  return tanh(mul(mul(x, add(mul(square(x), CUBIC), 1)), SQRT_2_OVER_PI));
}

export const gelu: Decomposition<"gelu"> = (inputs, { approximate }) => {
  const [x] = inputs as [Tensor];
  const twice = approximate === "none" ? add(erf(mul(x, SQRT_HALF)), 1) : add(inner(x), 1);
  return [mul(mul(x, 0.5), twice)];
};

export const geluGrad: Decomposition<"geluGrad"> = (inputs, { approximate }) => {
  const [x, dy] = inputs as [Tensor, Tensor];
  if (approximate === "none") {
    const cdf = mul(add(erf(mul(x, SQRT_HALF)), 1), 0.5);
    const pdf = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return [mul(dy, add(cdf, mul(x, pdf)))];
  }
  const t = inner(x);
  const slope = mul(add(mul(square(x), 3 * CUBIC), 1), SQRT_2_OVER_PI);
  const derivative = add(mul(add(t, 1), 0.5), mul(mul(mul(x, 0.5), sub(1, square(t))), slope));
  return [mul(dy, derivative)];
};
