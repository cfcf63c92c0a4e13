import { add, compare, convert, cos, div, log, mul, neg, shiftRight, sqrt } from "./elementwise.ts";
import { dropoutMask, foldIn } from "./fused.ts";
import { sliceAxis } from "./movement.ts";
import type { Tensor } from "./tensor.ts";
import { emitOne } from "./trace.ts";

/** Hands out distinct keys in the order of tracing, so every dropout of a step has masks of its own. */
export class KeySequence {
  private readonly key: Tensor;
  private count = 0;

  /** @param key u32[2], an input of the graph */
  constructor(key: Tensor) {
    this.key = key;
  }

  next(): Tensor {
    return foldIn(this.key, this.count++);
  }
}

/** 32 random bits per element. */
export function randomBits(key: Tensor, shape: readonly number[]): Tensor {
  return emitOne("randomBits", [key], { shape });
}

/** Uniform f32 in [0, 1) with 24 random bits. */
export function randomUniform(key: Tensor, shape: readonly number[]): Tensor {
  return mul(convert(shiftRight(randomBits(key, shape), 8), "f32"), 2 ** -24);
}

/** Standard normal f32 (Box–Muller). */
export function randomNormal(key: Tensor, shape: readonly number[]): Tensor {
  // u₁ in (0, 1]: the logarithm must stay finite.
  const u1 = add(randomUniform(foldIn(key, 0), shape), 2 ** -24);
  const u2 = randomUniform(foldIn(key, 1), shape);
  return mul(sqrt(mul(neg(log(u1)), 2)), cos(mul(u2, 2 * Math.PI)));
}

/** x with entries dropped at `rate` and the rest scaled up. @source Srivastava et al. 2014 */
export function dropout(x: Tensor, rate: number, key: Tensor): Tensor {
  return rate === 0 ? x : mul(x, convert(dropoutMask(key, x.shape, rate), x.dtype));
}

/** Independent 0/1 (f32) with probability p of 1. */
export function bernoulli(key: Tensor, shape: readonly number[], p: number): Tensor {
  return p >= 1 ? div(dropoutMask(key, shape, 0), 1) : mul(dropoutMask(key, shape, 1 - p), p);
}

/** Whether something of probability p happens, as one draw for a whole graph run: bool `[1]`, from the key's first word. */
export function chance(key: Tensor, p: number): Tensor {
  return compare("lt", sliceAxis(key, 0, 0, 1), Math.floor(p * 2 ** 32));
}
