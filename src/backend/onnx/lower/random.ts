/** @file Random bits inside the graph. Dropout masks normally come from outside, see `backend/wasm/mask-plan.ts`. */
import { sizeOf } from "../../../ir/shape.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { range } from "./movement.ts";

const shiftDown = (emitter: Emitter, x: Ref, bits: number) =>
  emitter.op("BitShift", [x, emitter.scalar("u32", bits)], x, { direction: { string: "RIGHT" } });

const xor = (emitter: Emitter, a: Ref, b: Ref) => emitter.binary("BitwiseXor", a, b, a.shape);

/** Wrapping u32 arithmetic by way of i32, which has the kernels. */
function wrapping(emitter: Emitter, opType: string, a: Ref, b: Ref): Ref {
  return emitter.cast(emitter.binary(opType, emitter.cast(a, "i32"), emitter.cast(b, "i32"), a.shape), "u32");
}

const times = (emitter: Emitter, x: Ref, factor: number) =>
  wrapping(emitter, "Mul", x, emitter.scalar("i32", factor | 0));

/** `mix32` of base/random, elementwise on u32. */
function mix32(emitter: Emitter, x: Ref): Ref {
  const first = times(emitter, xor(emitter, x, shiftDown(emitter, x, 16)), 0x7feb352d);
  const second = times(emitter, xor(emitter, first, shiftDown(emitter, first, 15)), 0x846ca68b);
  return xor(emitter, second, shiftDown(emitter, second, 16));
}

/** One of the two words of a key, as a scalar. */
function word(emitter: Emitter, key: Ref, index: 0 | 1): Ref {
  return emitter.op("Gather", [key, emitter.scalar("i64", index)], { dtype: "u32", shape: [] }, { axis: { int: 0 } });
}

function bits(emitter: Emitter, key: Ref, shape: readonly number[]): Ref {
  const counter = emitter.cast(range(emitter, sizeOf(shape)), "u32");
  const inner = mix32(emitter, wrapping(emitter, "Add", counter, word(emitter, key, 0)));
  return emitter.reshape(mix32(emitter, xor(emitter, inner, word(emitter, key, 1))), shape);
}

export const randomBits: Rule<"randomBits"> = (context, { inputs, params: { shape } }) => [
  bits(context.emitter, context.ref(inputs[0]!), shape),
];

export const foldIn: Rule<"foldIn"> = (context, { inputs }) => {
  const { emitter } = context;
  const [key, data] = inputs.map((value) => context.ref(value)) as [Ref, Ref];
  const constant = (value: number) => emitter.scalar("i32", value | 0);
  const added = mix32(emitter, wrapping(emitter, "Add", data, constant(0x9e3779b9)));
  const mixed = mix32(emitter, xor(emitter, data, emitter.scalar("u32", 0x85ebca6b)));
  const first = mix32(emitter, wrapping(emitter, "Add", word(emitter, key, 0), added));
  const second = mix32(emitter, xor(emitter, word(emitter, key, 1), mixed));
  const parts = [first, second].map((part) => emitter.reshape(part, [1]));
  return [emitter.op("Concat", parts, { dtype: "u32", shape: [2] }, { axis: { int: 0 } })];
};

/** The same bits as the mask kernel of backend/wasm gives, for masks whose key is made inside the graph. */
export const dropoutMask: Rule<"dropoutMask"> = (context, { inputs, params: { shape, rate } }) => {
  const { emitter } = context;
  const drawn = emitter.cast(bits(emitter, context.ref(inputs[0]!), shape), "i64");
  const threshold = emitter.scalar("i64", Math.floor(rate * 2 ** 32));
  const kept = emitter.binary("GreaterOrEqual", drawn, threshold, shape, "bool");
  return [emitter.scale(emitter.cast(kept, "f32"), 1 / (1 - rate))];
};
