import type { Tensor } from "../tensor/tensor.ts";
import { add, compare, convert, cos, div, exp, log, mul, neg, pow, select, sign, sin, square, sub } from "./ops.ts";
import type { VjpRule } from "./rule.ts";

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

/** Half the cotangent to each side where the two are equal, as a subgradient that keeps the sum. */
function extremum(pick: "gt" | "lt"): VjpRule<"max"> & VjpRule<"min"> {
  return ({ inputs, dy }: { readonly inputs: readonly Tensor[]; readonly dy: Tensor }) => {
    const [a, b] = inputs as [Tensor, Tensor];
    const tie = mul(convert(compare("eq", a, b), dy.dtype), 0.5);
    const left = add(convert(compare(pick, a, b), dy.dtype), tie);
    return [mul(dy, left), mul(dy, sub(1, left))];
  };
}

/** Rules of the elementwise primitives. */
export const elementwiseRules = {
  neg: ({ dy }) => [neg(dy)],
  abs: ({ inputs: [x], dy }) => [mul(dy, sign(x!))],
  exp: ({ outputs: [y], dy }) => [mul(dy, y!)],
  log: ({ inputs: [x], dy }) => [div(dy, x!)],
  sqrt: ({ outputs: [y], dy }) => [div(mul(dy, 0.5), y!)],
  tanh: ({ outputs: [y], dy }) => [mul(dy, sub(1, square(y!)))],
  erf: ({ inputs: [x], dy }) => [mul(dy, mul(exp(neg(square(x!))), TWO_OVER_SQRT_PI))],
  logistic: ({ outputs: [y], dy }) => [mul(dy, mul(y!, sub(1, y!)))],
  sin: ({ inputs: [x], dy }) => [mul(dy, cos(x!))],
  cos: ({ inputs: [x], dy }) => [neg(mul(dy, sin(x!)))],
  convert: ({ inputs: [x], dy }) => [convert(dy, x!.dtype)],
  barrier: ({ dy }) => [dy],
  add: ({ dy }) => [dy, dy],
  sub: ({ dy, wanted }) => [dy, wanted[1] ? neg(dy) : undefined],
  mul: ({ inputs: [a, b], dy, wanted }) => [wanted[0] ? mul(dy, b!) : undefined, wanted[1] ? mul(dy, a!) : undefined],
  div: ({ inputs: [, b], outputs: [y], dy, wanted }) => {
    const scaled = div(dy, b!);
    return [scaled, wanted[1] ? neg(mul(scaled, y!)) : undefined];
  },
  max: extremum("gt"),
  min: extremum("lt"),
  pow: ({ inputs: [a, b], outputs: [y], dy, wanted }) => [
    wanted[0] ? mul(dy, mul(b!, pow(a!, sub(b!, 1)))) : undefined,
    // aᵇ·log a tends to 0 with a.
    wanted[1] ? mul(dy, select(compare("gt", a!, 0), mul(y!, log(select(compare("gt", a!, 0), a!, 1))), 0)) : undefined,
  ],
  select: ({ inputs: [predicate], dy, wanted }) => [
    undefined,
    wanted[1] ? select(predicate!, dy, 0) : undefined,
    wanted[2] ? select(predicate!, 0, dy) : undefined,
  ],
} satisfies {
  readonly [P in
    | "neg"
    | "abs"
    | "exp"
    | "log"
    | "sqrt"
    | "tanh"
    | "erf"
    | "logistic"
    | "sin"
    | "cos"
    | "convert"
    | "barrier"
    | "add"
    | "sub"
    | "mul"
    | "div"
    | "max"
    | "min"
    | "pow"
    | "select"]: VjpRule<P>;
};
