import { add, compare, constant, mul, select, shiftRight, xor } from "../elementwise.ts";
import { concatenate, reshape, sliceAxis } from "../movement.ts";
import { randomBits } from "../random.ts";
import type { Tensor } from "../tensor.ts";
import type { Decomposition } from "./rule.ts";

/** The same finaliser as `mix32` of base/random, in u32 operations. */
function mix32(x: Tensor): Tensor {
  let h = mul(xor(x, shiftRight(x, 16)), 0x7feb352d);
  h = mul(xor(h, shiftRight(h, 15)), 0x846ca68b);
  return xor(h, shiftRight(h, 16));
}

export const foldIn: Decomposition<"foldIn"> = (inputs) => {
  const [key, data] = inputs as [Tensor, Tensor];
  const k0 = reshape(sliceAxis(key, 0, 0, 1), []);
  const k1 = reshape(sliceAxis(key, 0, 1, 2), []);
  const first = mix32(add(k0, mix32(add(data, 0x9e3779b9))));
  const second = mix32(xor(k1, mix32(xor(data, 0x85ebca6b))));
  return [concatenate([reshape(first, [1]), reshape(second, [1])], 0)];
};

export const dropoutMask: Decomposition<"dropoutMask"> = (inputs, { shape, rate }) => {
  const [key] = inputs as [Tensor];
  const dropped = compare("lt", randomBits(key, shape), Math.floor(rate * 2 ** 32));
  return [select(dropped, constant(0), constant(1 / (1 - rate)))];
};
