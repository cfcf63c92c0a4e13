import { add, compare, convert, div, floor, maximum, minimum, mul, neg, select, sub } from "../elementwise.ts";
import { dot } from "../linear-algebra.ts";
import { max } from "../reduction.ts";
import type { Tensor } from "../tensor.ts";
import type { Decomposition } from "./rule.ts";

/** Steps between the least and the largest element: 8 bits. */
const STEPS = 255;

/** The nearest whole number; of two the even one, as processors round. */
function round(x: Tensor): Tensor {
  const up = floor(add(x, 0.5));
  const isTie = compare("eq", sub(up, x), 0.5);
  const isOdd = compare("ne", mul(floor(mul(up, 0.5)), 2), up);
  return select(isTie, select(isOdd, sub(up, 1), up), up);
}

/** @source DynamicQuantizeLinear of ONNX: the range includes 0, and 0 is exactly one of its steps */
export const quantizedLinear: Decomposition<"quantizedLinear"> = (inputs, { bias }) => {
  const [x, weight, scale, offset] = inputs as [Tensor, Tensor, Tensor, Tensor | undefined];
  const high = maximum(max(x), 0);
  const low = maximum(max(neg(x)), 0);
  const range = add(high, low);
  const step = select(compare("gt", range, 0), div(range, STEPS), 1);
  const zero = round(minimum(div(low, step), STEPS));
  const level = minimum(maximum(add(round(div(x, step)), zero), 0), STEPS);
  const whole = sub(level, zero);
  const product = dot(whole, convert(weight, x.dtype), { lhsContract: [x.rank - 1], rhsContract: [0] });
  const y = mul(product, mul(scale, step));
  return [bias ? add(y, offset!) : y];
};
