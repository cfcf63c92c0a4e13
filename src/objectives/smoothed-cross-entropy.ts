import { add, compare, convert, iota, maximum, mul, select, sub } from "../tensor/elementwise.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { gather, reshape } from "../tensor/movement.ts";
import { mean } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Cross-entropy with labels of which a share is spread evenly over all classes, the right one included: nats, 0 where the
 * label is −100. Dims: M rows, V classes.
 * @param logits float `[M, V]`, unnormalised
 * @param labels i32 `[M]`, in [0, V) or −100
 * @param share ε in [0, 1); 0 gives the plain cross-entropy
 * @returns float `[M]`
 * @source Szegedy et al. 2016 §7, arXiv:1512.00567
 */
export function smoothedCrossEntropy(logits: Tensor, labels: Tensor, share: number): Tensor {
  const plain = crossEntropy(logits, labels);
  if (share === 0) return plain;
  // (1 − ε)(log Σ eᶻ − z_y) + ε(log Σ eᶻ − mean z) = plain + ε(z_y − mean z)
  const [rows, classes] = logits.shape as [number, number];
  const places = add(mul(iota([rows]), classes), maximum(labels, 0));
  const own = convert(gather(reshape(logits, [-1]), places), "f32");
  const excess = sub(own, mean(convert(logits, "f32"), -1));
  return add(plain, select(compare("ge", labels, 0), mul(excess, share), 0));
}
