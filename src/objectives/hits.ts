import { compare, convert } from "../tensor/elementwise.ts";
import { argMax, sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** How many rows have their largest score at the label: float scalar of logits `[M, V]` and labels i32 `[M]`. */
export function hits(logits: Tensor, labels: Tensor): Tensor {
  return sum(convert(compare("eq", argMax(logits), labels), "f32"));
}
