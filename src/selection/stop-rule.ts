/** @file Rules that end poor trials early by comparing them with others. */
import type { ConfigIssue } from "../base/errors.ts";
import { bestUntil, isBetter, type SelectionFigure, type TrialEvaluation } from "./trial.ts";

/** How trials are compared while they run. */
export type StopRule =
  /** Every trial runs to its end, or to that of its own patience. */
  | { readonly kind: "none" }
  /** A run ends when its best figure is worse than the median of what earlier trials had reached by the same share of steps. */
  | {
      readonly kind: "median";
      /** Earlier trials that must have come as far; 3 by default. */
      readonly minTrials?: number | undefined;
    }
  /** All trials run a part of their steps, the best of them a longer part, and so on. */
  | {
      readonly kind: "halving";
      /** One in so many goes on; 3 by default. */
      readonly factor?: number | undefined;
      /** Share of the steps that all trials run; 1/factor² by default. */
      readonly minShare?: number | undefined;
    };

/** What is wrong with a rule. */
export function stopRuleIssues(rule: StopRule): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const check = (path: string, isRight: boolean, message: string): void => {
    if (!isRight) issues.push({ path: `stop.${path}`, message, code: "CONFIG_RANGE" });
  };
  if (rule.kind === "median") {
    const { minTrials = 3 } = rule;
    check("minTrials", Number.isInteger(minTrials) && minTrials >= 1, `must be a whole number ≥ 1; got ${minTrials}.`);
  }
  if (rule.kind === "halving") {
    const { factor = 3, minShare = 1 / factor ** 2 } = rule;
    check("factor", factor > 1, `must be above 1; got ${factor}.`);
    check("minShare", minShare > 0 && minShare <= 1, `must lie in (0, 1]; got ${minShare}.`);
  }
  return issues;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Whether the median rule ends a run here.
 * @param own its evaluations so far
 * @param others those of the same run (seed, fold) of earlier trials
 * @source Golovin et al. 2017 §3.2.2 (Vizier's median stopping rule). Differs: bests so far on both sides, not running means
 */
export function medianStops(
  own: readonly TrialEvaluation[],
  others: readonly (readonly TrialEvaluation[])[],
  rule: SelectionFigure,
  minTrials = 3,
): boolean {
  const last = own.at(-1);
  if (last === undefined || last.share >= 1) return false;
  const reached = others
    .filter((evaluations) => (evaluations.at(-1)?.share ?? 0) >= last.share - 1e-9)
    .flatMap((evaluations) => bestUntil(evaluations, last.share, rule) ?? [])
    .filter((value) => !Number.isNaN(value));
  if (reached.length < minTrials) return false;
  return isBetter(median(reached), bestUntil(own, last.share, rule)!, rule);
}

/** One stage of successive halving. */
export interface Rung {
  /** Trials that take part. */
  readonly count: number;
  /** Of their steps that they have run in the end. */
  readonly share: number;
}

/**
 * The stages of successive halving: each lets one in `factor` go on, for `factor` times the steps.
 * @source Jamieson & Talwalkar 2016, arXiv:1502.07943
 */
export function halvingRungs(
  numTrials: number,
  options: Omit<Extract<StopRule, { readonly kind: "halving" }>, "kind"> = {},
): Rung[] {
  const { factor = 3 } = options;
  const { minShare = 1 / factor ** 2 } = options;
  const rungs: Rung[] = [];
  for (let [count, share] = [numTrials, minShare]; ; ) {
    // A share that is one but for rounding is one; the last trial runs to its end at once.
    const isLast = share > 1 - 1e-9 || count === 1;
    rungs.push({ count, share: isLast ? 1 : share });
    if (isLast) return rungs;
    [count, share] = [Math.max(1, Math.ceil(count / factor)), share * factor];
  }
}
