import { add, and, compare, constant, div, maximum, minimum, mul, select, sqrt } from "../tensor/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LayerwiseRule } from "./update-rule.ts";

export interface LambOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** Least and greatest norm of a parameter that counts, φ of the paper; by default [0, ∞]: the norm itself. */
  readonly valueNormRange?: readonly [number, number];
  /** Least and greatest trust ratio; by default [0, ∞]. */
  readonly trustRatioRange?: readonly [number, number];
  /** Divides the moments by 1 − βᵗ (default), as the paper's algorithm does; ALBERT's own code does not. */
  readonly correctsBias?: boolean;
}

const clip = (x: number, [least, greatest]: readonly [number, number]): number =>
  Math.min(Math.max(x, least), greatest);

function clipTensor(x: Tensor, [least, greatest]: readonly [number, number]): Tensor {
  const raised = least > 0 ? maximum(x, least) : x;
  return greatest < Number.POSITIVE_INFINITY ? minimum(raised, greatest) : raised;
}

/**
 * Layer-wise adaptive moments: Adam's direction with decoupled decay, and for every parameter a step as long as its own norm.
 *
 * One parameter is one layer, as in the authors' code, save that query, key and value weights are one parameter here and share
 * a ratio; the ratio is 1 where either norm is 0, and for biases and normalisation gains (`exclude_from_layer_adaptation`, by
 * default those without weight decay).
 * @source You et al. 2020, arXiv:1904.00962, algorithm 2; google-research/albert `lamb_optimizer.py` and TensorFlow
 * Addons' `LAMB`, which corrects the bias
 */
export function lamb(options: LambOptions = {}): LayerwiseRule {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-6, correctsBias = true } = options;
  const { valueNormRange = [0, Number.POSITIVE_INFINITY], trustRatioRange = [0, Number.POSITIVE_INFINITY] } = options;
  return {
    name: "lamb",
    state: ["m", "v"],
    scalars: ({ weightDecay, gradientScale, step }) => ({
      gradientScale,
      weightDecay,
      meanScale: correctsBias ? 1 / (1 - beta1 ** step) : 1,
      varianceScale: correctsBias ? 1 / Math.sqrt(1 - beta2 ** step) : 1,
    }),
    direction: ({ value, gradient, m, v }, { gradientScale, weightDecay, meanScale, varianceScale }) => {
      const g = mul(gradient!, gradientScale!);
      const nextM = add(mul(m!, beta1), mul(g, 1 - beta1));
      const nextV = add(mul(v!, beta2), mul(mul(g, g), 1 - beta2));
      const adam = div(mul(nextM, meanScale!), add(mul(sqrt(nextV), varianceScale!), epsilon));
      return { direction: add(adam, mul(value!, weightDecay!)), m: nextM, v: nextV };
    },
    trustRatio: ({ value, direction, decays }) => {
      const norm = clip(value, valueNormRange);
      if (!decays || norm === 0 || direction === 0) return 1;
      return clip(norm / direction, trustRatioRange);
    },
    trustRatioTensor: ({ value, direction, decays }) => {
      if (!decays) return constant(1);
      const norm = clipTensor(value, valueNormRange);
      const isDefined = and(compare("gt", norm, 0), compare("gt", direction, 0));
      return select(isDefined, clipTensor(div(norm, select(isDefined, direction, 1)), trustRatioRange), 1);
    },
  };
}
