/** @file Random numbers: the very bits of `base/random`, in u32 operations. */
import type { OpName } from "../../../ir/graph.ts";
import { type Shape, stridesOf, tensorType } from "../../../ir/shape.ts";
import { callFunction } from "./call-function.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";

/** `mix32` of base/random. */
function mix32(emitter: Emitter, x: Ref): Ref {
  const folded = (h: Ref, places: number): Ref =>
    emitter.binary("xor", h, emitter.binary("shift_right_logical", h, emitter.fill(h, places)));
  const first = emitter.multiply(folded(x, 16), 0x7feb352d);
  const second = emitter.multiply(folded(first, 15), 0x846ca68b);
  return folded(second, 16);
}

/** One word of a key, as a scalar. */
function word(emitter: Emitter, key: Ref, index: 0 | 1): Ref {
  return emitter.reshape(emitter.slice(key, [index], [index + 1]), []);
}

/**
 * Row-major index of every element, wrapping: a sum over axes, so that a batch that is spread over devices knows its part.
 */
function elementIndex(emitter: Emitter, shape: Shape): Ref {
  const strides = stridesOf(shape);
  const parts = shape.flatMap((size, axis) => {
    if (size === 1) return [];
    const places = emitter.iota("u32", shape, axis);
    return [strides[axis] === 1 ? places : emitter.multiply(places, strides[axis]! >>> 0)];
  });
  return (
    parts.reduceRight<Ref | undefined>((sum, part) => (sum === undefined ? part : emitter.add(sum, part)), undefined) ??
    emitter.fill(tensorType("u32", shape), 0)
  );
}

/** 32 random bits for every element. */
function bitsOf(emitter: Emitter, key: Ref, shape: Shape): Ref {
  const spread = (index: 0 | 1): Ref => emitter.broadcast(word(emitter, key, index), shape, []);
  const first = mix32(emitter, emitter.add(elementIndex(emitter, shape), spread(0)));
  return mix32(emitter, emitter.binary("xor", first, spread(1)));
}

const randomBits: Rule<"randomBits"> = (context, node) => {
  const { shape } = node.params;
  const [key] = context.refsOf(node) as [Ref];
  return callFunction(context.emitter, "randomBits", { shape }, { key }, (emitter, given) => [
    bitsOf(emitter, given.key, shape),
  ]);
};

const dropoutMask: Rule<"dropoutMask"> = (context, node) => {
  const { shape, rate } = node.params;
  const [key] = context.refsOf(node) as [Ref];
  return callFunction(context.emitter, "dropoutMask", { shape, rate }, { key }, (emitter, given) => {
    const isDropped = emitter.compare("lt", bitsOf(emitter, given.key, shape), Math.floor(rate * 2 ** 32));
    const type = tensorType("f32", shape);
    return [emitter.select(isDropped, emitter.fill(type, 0), 1 / (1 - rate))];
  });
};

const foldIn: Rule<"foldIn"> = (context, node) => {
  const [key, data] = context.refsOf(node) as [Ref, Ref];
  return callFunction(context.emitter, "foldIn", {}, { key, data }, (emitter, given) => {
    const one = mix32(emitter, emitter.add(given.data, 0x9e3779b9));
    const other = mix32(emitter, emitter.binary("xor", given.data, emitter.scalar("u32", 0x85ebca6b)));
    const first = mix32(emitter, emitter.add(word(emitter, given.key, 0), one));
    const second = mix32(emitter, emitter.binary("xor", word(emitter, given.key, 1), other));
    return [emitter.concatenate([emitter.reshape(first, [1]), emitter.reshape(second, [1])], 0)];
  });
};

export const randomRules = { randomBits, dropoutMask, foldIn } satisfies { readonly [P in OpName]?: Rule<P> };
