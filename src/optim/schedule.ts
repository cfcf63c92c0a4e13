export type Decay = "linear" | "cosine" | "constant";

export interface ScheduleOptions {
  /** Peak rate. */
  readonly learningRate: number;
  /** Steps of linear rise from 0. */
  readonly warmupSteps: number;
  /** Steps of the whole run; the rate has fallen to 0 there, unless it is constant. */
  readonly maxSteps: number;
  readonly decay: Decay;
}

/**
 * The learning rate of a step: linear warm-up, then linear, cosine or no decay.
 * @param step steps made so far, from 0: the first step of a warm-up has rate 0, as in BERT and transformers
 * @source google-research/bert `optimization.py`; transformers `get_linear_schedule_with_warmup` and its siblings
 */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { learningRate, warmupSteps, maxSteps, decay } = options;
  if (step < warmupSteps) return (learningRate * step) / Math.max(1, warmupSteps);
  // Ends at 1: transformers' cosine rises again past the last step.
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, maxSteps - warmupSteps));
  switch (decay) {
    case "constant":
      return learningRate;
    case "linear":
      return learningRate * Math.max(0, 1 - progress);
    case "cosine":
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}

export interface SlantedTriangularOptions {
  /** Peak rate. */
  readonly learningRate: number;
  /** Steps of the whole run. */
  readonly maxSteps: number;
  /** Share of the steps that rise. */
  readonly cut: number;
  /** The peak rate over the lowest, with which the run begins. */
  readonly ratio: number;
}

/**
 * The slanted triangular learning rate of a step: it rises for a short time and falls for a long one.
 * @param step steps made so far, from 0
 * @source Howard & Ruder 2018 §3.2, arXiv:1801.06146. Differs: it falls over the steps that are left, which is the paper's
 * slope where the share of rising steps is a whole number of them, and never goes below the lowest rate in short runs
 */
export function slantedTriangularAt(step: number, options: SlantedTriangularOptions): number {
  const { learningRate, maxSteps, cut, ratio } = options;
  const top = Math.min(maxSteps - 1, Math.max(1, Math.floor(cut * maxSteps)));
  const height = step < top ? step / top : 1 - (step - top) / Math.max(1, maxSteps - top);
  return (learningRate * (1 + Math.min(1, Math.max(0, height)) * (ratio - 1))) / ratio;
}
