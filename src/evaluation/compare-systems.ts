/** @file Whether one system is better than another on the same rows, or only luckier. */
import { DataError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { checkSameLength } from "./check.ts";

export interface ComparisonOptions {
  /** How often rows are drawn or exchanged; 10 000 by default. */
  readonly numResamples?: number;
  readonly seed?: number;
  /** Share of the resamples that the interval of the bootstrap holds; 0.95 by default. */
  readonly confidence?: number;
}

/** Two systems compared; what is positive speaks for the second. */
export interface Comparison {
  readonly first: number;
  readonly second: number;
  readonly difference: number;
  /**
   * Chance of a difference this large, in either direction, if the systems were equally good; NaN where a figure is
   * undefined. Resamples whose figure is undefined are left out.
   */
  readonly pValue: number;
  readonly numResamples: number;
  readonly seed: number;
}

export interface BootstrapComparison extends Comparison {
  /** Percentiles of the resampled differences; resamples whose figure is undefined (NaN) are left out. */
  readonly interval: readonly [low: number, high: number];
  /** Of each system by itself. */
  readonly firstInterval: readonly [low: number, high: number];
  readonly secondInterval: readonly [low: number, high: number];
}

/** A figure of a system from what it did on each row, such as the mean of its hits or a corpus BLEU. */
export type FigureOfRows<T> = (rows: readonly T[]) => number;

/** Differences that are equal but for rounding count as equal. */
const ROUNDING = 1e-12;

interface Resolved {
  readonly numResamples: number;
  readonly seed: number;
  readonly confidence: number;
}

function check(
  where: string,
  first: ArrayLike<unknown>,
  second: ArrayLike<unknown>,
  options: ComparisonOptions,
): Resolved {
  const { numResamples = 10_000, seed = 0, confidence = 0.95 } = options;
  checkSameLength(where, first, second);
  const refuse = (message: string, code: string): never => {
    throw new DataError(message, { code, path: where });
  };
  if (first.length === 0) refuse("there are no rows. Pass what the systems did on each.", "DATA_EMPTY");
  if (!(Number.isInteger(numResamples) && numResamples >= 1)) {
    refuse(`numResamples must be a whole number ≥ 1; got ${numResamples}.`, "CONFIG_RANGE");
  }
  if (!(confidence > 0 && confidence < 1)) refuse(`confidence must lie in (0, 1); got ${confidence}.`, "CONFIG_RANGE");
  return { numResamples, seed, confidence };
}

/** Share of values as far from zero as one, counted with the one itself; undefined (NaN) where that one is. */
function pValue(values: readonly number[], observed: number): number {
  if (Number.isNaN(observed)) return Number.NaN;
  const least = Math.abs(observed) * (1 - ROUNDING);
  const known = values.filter((value) => !Number.isNaN(value));
  return (known.filter((value) => Math.abs(value) >= least).length + 1) / (known.length + 1);
}

/** A percentile of sorted values, between two of them in proportion, as NumPy's default. */
function percentile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below];
  if (low === undefined) return Number.NaN;
  return low + (place - below) * ((sorted[below + 1] ?? low) - low);
}

function intervalOf(values: readonly number[], confidence: number): readonly [number, number] {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const tail = (1 - confidence) / 2;
  return [percentile(sorted, tail), percentile(sorted, 1 - tail)];
}

/**
 * Paired bootstrap: both systems are scored on the same rows, drawn again and again with replacement.
 *
 * The p-value is two-sided: how often the resampled difference lies as far from its mean as the observed one from 0.
 * @param first what the first system did on each row
 * @param second the second system, on the same rows
 * @param figure a system's figure from its rows
 * @throws {DataError} LENGTH_MISMATCH, DATA_EMPTY, CONFIG_RANGE
 * @source Koehn 2004; intervals as scipy.stats `bootstrap(paired=True, method="percentile")`, p-value as sacrebleu's
 */
export function pairedBootstrap<T>(
  first: readonly T[],
  second: readonly T[],
  figure: FigureOfRows<T>,
  options: ComparisonOptions = {},
): BootstrapComparison {
  const { numResamples, seed, confidence } = check("pairedBootstrap", first, second, options);
  const random = new Random(seed, "bootstrap");
  const [own, other] = [figure(first), figure(second)];
  const drawn = Array.from({ length: numResamples }, () => {
    const rows = Array.from(first, () => random.nextInt(first.length));
    return [figure(rows.map((row) => first[row]!)), figure(rows.map((row) => second[row]!))] as const;
  });
  const differences = drawn.map(([a, b]) => b - a).filter((difference) => !Number.isNaN(difference));
  const mean = differences.reduce((sum, difference) => sum + difference, 0) / differences.length;
  return {
    first: own,
    second: other,
    difference: other - own,
    pValue: pValue(
      differences.map((difference) => difference - mean),
      other - own,
    ),
    interval: intervalOf(differences, confidence),
    firstInterval: intervalOf(
      drawn.map(([a]) => a),
      confidence,
    ),
    secondInterval: intervalOf(
      drawn.map(([, b]) => b),
      confidence,
    ),
    numResamples,
    seed,
  };
}

/**
 * Approximate randomisation: if the systems were equal, what they did on a row could be exchanged at will.
 * @param first what the first system did on each row
 * @param second the second system, on the same rows
 * @param figure a system's figure from its rows
 * @throws {DataError} LENGTH_MISMATCH, DATA_EMPTY, CONFIG_RANGE
 * @source Noreen 1989; scipy.stats `permutation_test(permutation_type="samples")`
 */
export function approximateRandomization<T>(
  first: readonly T[],
  second: readonly T[],
  figure: FigureOfRows<T>,
  options: ComparisonOptions = {},
): Comparison {
  const { numResamples, seed } = check("approximateRandomization", first, second, options);
  const random = new Random(seed, "randomization");
  const [own, other] = [figure(first), figure(second)];
  const differences = Array.from({ length: numResamples }, () => {
    const [left, right] = [[...first], [...second]];
    for (let row = 0; row < left.length; row++) {
      if (random.nextInt(2) === 0) continue;
      left[row] = second[row]!;
      right[row] = first[row]!;
    }
    return figure(right) - figure(left);
  });
  return {
    first: own,
    second: other,
    difference: other - own,
    pValue: pValue(differences, other - own),
    numResamples,
    seed,
  };
}
