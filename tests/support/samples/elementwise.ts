import type { OpName } from "../../../src/ir/graph.ts";
import {
  anyI32,
  anyU32,
  below,
  bool,
  type Draw,
  direct,
  float,
  given,
  i32,
  offZero,
  positive,
  type Sample,
  u32,
} from "./sample.ts";

type SimpleName = Extract<
  OpName,
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "exp"
  | "log"
  | "sqrt"
  | "tanh"
  | "erf"
  | "logistic"
  | "sin"
  | "cos"
  | "stopGradient"
  | "barrier"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "max"
  | "min"
  | "pow"
>;

const shapes = [[], [1], [7], [3, 1, 5], [2, 3, 1, 2], [0, 4]];

const unary = (op: SimpleName, draw: Draw = offZero): Sample[] =>
  shapes.map((shape) => direct(op, {}, [float(shape, draw)]));
const binary = (op: SimpleName, left: Draw = offZero, right: Draw = offZero): Sample[] =>
  shapes.map((shape) => direct(op, {}, [float(shape, left), float(shape, right)]));
const extremes = (op: SimpleName, ...values: number[]): Sample =>
  direct(op, {}, [float([values.length], given(...values))], {
    title: "extremes",
    noGradient: "beyond f64 differences",
  });

const integerBinary = (op: "add" | "sub" | "mul" | "max" | "min"): Sample[] => [
  direct(op, {}, [i32([33], anyI32), i32([33], anyI32)]),
  direct(op, {}, [u32([33], anyU32), u32([33], anyU32)]),
];
const bitwise = (op: "and" | "or" | "xor"): Sample[] => [
  direct(op, {}, [bool([5, 3]), bool([5, 3])]),
  direct(op, {}, [i32([17], anyI32), i32([17], anyI32)]),
  direct(op, {}, [u32([17], anyU32), u32([17], anyU32)]),
];
const shift = (op: "shiftLeft" | "shiftRight"): Sample[] => [
  direct(op, {}, [u32([33], anyU32), u32([33], below(32))]),
  direct(op, {}, [u32([], anyU32), u32([], given(16))]),
];

const directions = ["eq", "ne", "lt", "le", "gt", "ge"] as const;

export const elementwiseSamples = {
  neg: [...unary("neg"), direct("neg", {}, [i32([9], anyI32)]), direct("neg", {}, [u32([9], anyU32)])],
  abs: [...unary("abs"), direct("abs", {}, [i32([9], anyI32)])],
  sign: [...unary("sign"), direct("sign", {}, [i32([3], given(-7, 0, 9))]), extremes("sign", -0.5, 0, 1e-30)],
  floor: [...unary("floor"), extremes("floor", -1.5, -1, -0.25, 0, 0.75, 1e9)],
  exp: [...unary("exp"), extremes("exp", -200, -80, 0, 80, 200)],
  log: [...unary("log", positive), extremes("log", 1e-30, 1, 1e30, 0)],
  sqrt: [...unary("sqrt", positive), extremes("sqrt", 0, 1e-30, 1e30)],
  tanh: [...unary("tanh"), extremes("tanh", -100, -9, 1e-4, 9, 100)],
  erf: [...unary("erf"), extremes("erf", -100, -4, -0.46875, 0, 1e-4, 4, 100)],
  logistic: [...unary("logistic"), extremes("logistic", -100, -20, 0, 20, 100)],
  sin: unary("sin"),
  cos: unary("cos"),
  not: [
    direct("not", {}, [bool([4, 3])]),
    direct("not", {}, [i32([5], anyI32)]),
    direct("not", {}, [u32([5], anyU32)]),
  ],
  convert: [
    ...(["i32", "u32", "bool"] as const).map((dtype) =>
      direct("convert", { dtype }, [float([9], given(0, 0.5, 1.9, 7, 300))]),
    ),
    direct("convert", { dtype: "i32" }, [float([4], given(-1.9, -0.5, -3, -1e6))], { title: "negative floats to i32" }),
    ...(["f32", "u32", "bool"] as const).map((dtype) =>
      direct("convert", { dtype }, [i32([2, 5], given(-3, 0, 1, 70_000))]),
    ),
    ...(["f32", "i32", "bool"] as const).map((dtype) =>
      direct("convert", { dtype }, [u32([5], given(0, 1, 2, 0x7fffffff))]),
    ),
    direct("convert", { dtype: "f32" }, [u32([3], given(0x80000000, 0xffffffff, 0xfffffe00))], {
      title: "large u32 to f32",
    }),
    ...(["f32", "i32", "u32"] as const).map((dtype) => direct("convert", { dtype }, [bool([7])])),
    direct("convert", { dtype: "f32" }, [float([3, 5])], {
      title: "float to f32",
      noGradient: "rounds where differences need f64",
    }),
    direct("convert", { dtype: "f64" }, [float([3, 5])], { title: "float to f64" }),
  ],
  stopGradient: unary("stopGradient"),
  barrier: unary("barrier"),
  add: [...binary("add"), ...integerBinary("add")],
  sub: [...binary("sub"), ...integerBinary("sub")],
  mul: [...binary("mul"), ...integerBinary("mul")],
  div: [
    ...binary("div"),
    direct("div", {}, [i32([8], given(7, -7, 8, -8, 2_000_000_011)), i32([8], given(2, 2, -3, 3, 7, -1))]),
    direct("div", {}, [u32([4], given(0xffffffff, 7, 0x80000001)), u32([4], given(3, 2, 7, 0xffffffff))]),
    direct("div", {}, [i32([5], given(7, -7, 0, -0x80000000, 9)), i32([5], given(0, 0, 0, 0, 2))], {
      title: "i32 by 0",
    }),
    direct("div", {}, [u32([3], given(0xffffffff, 0, 9)), u32([3], given(0, 0, 2))], { title: "u32 by 0" }),
  ],
  max: [...binary("max"), ...integerBinary("max")],
  min: [...binary("min"), ...integerBinary("min")],
  pow: [
    ...binary("pow", positive),
    direct("pow", {}, [float([4], given(-2, 2, -3, 0.5)), float([4], given(2, 0.5, 3, -2))], {
      title: "signs",
      noGradient: "a negative base has no gradient in its exponent",
    }),
  ],
  and: bitwise("and"),
  or: bitwise("or"),
  xor: bitwise("xor"),
  shiftLeft: shift("shiftLeft"),
  shiftRight: shift("shiftRight"),
  compare: directions.flatMap((direction) => [
    direct("compare", { direction }, [float([9], given(-1, 0, 1)), float([9], given(0, 0, 0, 1, 1, 1, -1, -1, -1))]),
    direct("compare", { direction }, [i32([5], given(-1, 0, 1, 0x7fffffff, -0x80000000)), i32([5], given(0))]),
    direct("compare", { direction }, [
      u32([4], given(0, 1, 0x80000000, 0xffffffff)),
      u32([4], given(1, 1, 0x7fffffff, 1)),
    ]),
  ]),
  select: [
    ...shapes.map((shape) => direct("select", {}, [bool(shape), float(shape), float(shape)])),
    direct("select", {}, [bool([9]), i32([9], anyI32), i32([9], anyI32)]),
    direct("select", {}, [bool([9]), u32([9], anyU32), u32([9], anyU32)]),
    direct("select", {}, [bool([9]), bool([9]), bool([9])]),
  ],
} satisfies { readonly [P in OpName]?: readonly Sample[] };
