import { add, div, mul, sqrt } from "../tensor/elementwise.ts";
import type { PointwiseRule } from "./update-rule.ts";

export interface AdamWOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/**
 * Adam with decoupled weight decay and bias correction.
 * @source Loshchilov & Hutter 2019, arXiv:1711.05101; the order of operations is PyTorch's `torch.optim.AdamW`
 */
export function adamW(options: AdamWOptions = {}): PointwiseRule {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  return {
    name: "adamw",
    state: ["m", "v"],
    scalars: ({ learningRate, weightDecay, gradientScale, step }) => ({
      gradientScale,
      keep: 1 - learningRate * weightDecay,
      stepSize: learningRate / (1 - beta1 ** step),
      varianceScale: 1 / Math.sqrt(1 - beta2 ** step),
    }),
    update: ({ value, gradient, m, v }, { gradientScale, keep, stepSize, varianceScale }) => {
      const g = mul(gradient!, gradientScale!);
      const nextM = add(mul(m!, beta1), mul(g, 1 - beta1));
      const nextV = add(mul(v!, beta2), mul(mul(g, g), 1 - beta2));
      const scale = add(mul(sqrt(nextV), varianceScale!), epsilon);
      return { value: add(mul(value!, keep!), mul(div(nextM, scale), mul(stepSize!, -1))), m: nextM, v: nextV };
    },
  };
}
