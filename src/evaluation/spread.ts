/** Mean and spread of a figure over several runs. */
export interface Spread {
  readonly mean: number;
  /** Sample standard deviation (divided by n − 1); NaN below two runs. */
  readonly deviation: number;
  readonly count: number;
}

/**
 * Mean and sample standard deviation of one figure over several runs.
 * @returns mean NaN for no runs, deviation NaN for fewer than two
 * @source NumPy `mean`, `std(ddof=1)`
 */
export function spread(values: ArrayLike<number>): Spread {
  const count = values.length;
  let sum = 0;
  for (let index = 0; index < count; index++) sum += values[index]!;
  const mean = sum / count;
  let squares = 0;
  for (let index = 0; index < count; index++) squares += (values[index]! - mean) ** 2;
  return { mean, deviation: count < 2 ? Number.NaN : Math.sqrt(squares / (count - 1)), count };
}

/** A spread as text: `0.812 ± 0.004 (3 runs)`, or the bare figure for a single run. */
export function formatSpread({ mean, deviation, count }: Spread, digits = 3): string {
  if (count === 0) return "no runs";
  const text = mean.toFixed(digits);
  return count < 2 ? text : `${text} ± ${deviation.toFixed(digits)} (${count} runs)`;
}
