import type { Random } from "../base/random.ts";
import { sizeOf } from "../ir/shape.ts";

/** Fills a new weight; the same random stream gives the same numbers. */
export type Initializer = (shape: readonly number[], random: Random) => Float32Array;

function filled(shape: readonly number[], draw: () => number): Float32Array {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = draw();
  return data;
}

export const zeros: Initializer = (shape) => new Float32Array(sizeOf(shape));
export const ones: Initializer = (shape) => new Float32Array(sizeOf(shape)).fill(1);

/** Normal with mean 0. */
export function normal(deviation: number): Initializer {
  return (shape, random) => filled(shape, () => deviation * random.nextNormal());
}

/**
 * Normal with mean 0, drawn again beyond two deviations.
 * @source google-research/bert `modeling.py` create_initializer (tf.truncated_normal)
 */
export function truncatedNormal(deviation: number): Initializer {
  return (shape, random) =>
    filled(shape, () => {
      let draw = random.nextNormal();
      while (Math.abs(draw) > 2) draw = random.nextNormal();
      return deviation * draw;
    });
}

/**
 * Uniform in ±1/√I for a weight `[O, I]`: what PyTorch's linear layers begin with.
 * @source He et al. 2015, arXiv:1502.01852, as `kaiming_uniform_` with a = √5 has it
 */
export const kaimingUniform: Initializer = (shape, random) => {
  const bound = 1 / Math.sqrt(shape.at(-1)!);
  return filled(shape, () => bound * (2 * random.next() - 1));
};
