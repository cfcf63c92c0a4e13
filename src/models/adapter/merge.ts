import { CheckpointError } from "../../base/errors.ts";
import { LowRankUpdate } from "../../nn/adapter.ts";
import { Linear } from "../../nn/layers.ts";
import { type Module, namedModules } from "../../nn/module.ts";
import type { Weights } from "../../nn/weights.ts";
import { isAdapterParameter } from "./attach.ts";

/**
 * The weights of the same network without its low-rank changes, which have become part of them: W + scaling · B·A.
 * @throws {CheckpointError} ADAPTER_NOT_MERGEABLE for small networks inside the layers
 */
export function mergeLowRank(module: Module, weights: Weights, path = "adapter"): Weights {
  const merged = new Map([...weights].filter(([name]) => !isAdapterParameter(name)));
  const done = new Set<string>();
  for (const [item, name] of namedModules(module)) {
    if (!(item instanceof Linear) || !(item.adapter instanceof LowRankUpdate)) continue;
    const [, inSize] = item.weight.shape as [number, number];
    const target = Float32Array.from(merged.get(`${name}.weight`)!);
    for (const [i, { settings }] of item.adapter.pairs.entries()) {
      const names = (["a", "b"] as const).map((part) => `${name}.adapter.pairs.${i}.${part}`);
      const [a, b] = names.map((part) => weights.get(part)!) as [Float32Array, Float32Array];
      addProduct(target, { a, b, inSize, ...settings });
      for (const part of names) done.add(part);
    }
    merged.set(`${name}.weight`, target);
  }
  const left = [...weights.keys()].filter((name) => isAdapterParameter(name) && !done.has(name));
  if (left.length === 0) return merged;
  throw new CheckpointError(
    `small networks inside the layers (${left[0]}, …) are no change of the weights: they cannot be merged. Use the adapter's folder as it is.`,
    { code: "ADAPTER_NOT_MERGEABLE", path },
  );
}

interface LowRankNumbers {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly inSize: number;
  readonly first: number;
  readonly size: number;
  readonly rank: number;
  readonly scaling: number;
}

/** Adds scaling · B·A to rows of a weight `[O, I]`; sums are made in double precision. */
function addProduct(weight: Float32Array, { a, b, inSize, first, size, rank, scaling }: LowRankNumbers): void {
  const row = new Float64Array(inSize);
  for (let o = 0; o < size; o++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scaling * b[o * rank + r]!;
      for (let i = 0; i < inSize; i++) row[i]! += factor * a[r * inSize + i]!;
    }
    const start = (first + o) * inSize;
    for (let i = 0; i < inSize; i++) weight[start + i]! += row[i]!;
  }
}
