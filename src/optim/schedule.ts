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
