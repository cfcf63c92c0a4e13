import { Random } from "../base/random.ts";
import { type Module, namedParameters } from "./module.ts";

/** The numbers of a model's parameters in host memory, f32, by parameter name. */
export type Weights = ReadonlyMap<string, Float32Array>;

/**
 * New weights: each parameter is drawn from a stream of its own, so shared parts agree between models of one seed.
 * @param isWanted by name; all when left out
 */
export function initialWeights(model: Module, seed: number, isWanted: (name: string) => boolean = () => true): Weights {
  const wanted = [...namedParameters(model)].filter(([name]) => isWanted(name));
  return new Map(wanted.map(([name, { init, shape }]) => [name, init(shape, new Random(seed, "weight", name))]));
}

/** The weights of `target`, with those that `source` has under the same name and size taken from there. */
export function adoptWeights(
  target: Weights,
  source: Weights,
): { readonly weights: Weights; readonly adopted: readonly string[] } {
  const adopted: string[] = [];
  const weights = new Map(
    [...target].map(([name, data]) => {
      const given = source.get(name);
      if (given === undefined || given.length !== data.length) return [name, data] as const;
      adopted.push(name);
      return [name, given] as const;
    }),
  );
  return { weights, adopted };
}
