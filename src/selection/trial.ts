/** @file What is known of one setting of a search: its runs, and how good they are. */
import { type Spread, spread } from "../evaluation/index.ts";
import type { EndReason, EvaluationEvent } from "../train/event.ts";
import type { SearchSettings } from "./space.ts";

/** What a fine-tuning gives that a search looks at; every result of a `finetune…` function is one. */
export interface TrialOutcome {
  readonly run: {
    readonly steps: number;
    readonly reason: EndReason;
    readonly selectedStep: number;
    readonly evaluations: readonly EvaluationEvent[];
  };
}

/** The figure that decides, and which way. */
export interface SelectionFigure {
  /** As a run logs it: `accuracy`, `loss`, … */
  readonly figure: string;
  readonly higherIsBetter: boolean;
}

/** Figures on held-out data while a run went on. */
export interface TrialEvaluation {
  readonly step: number;
  /** Of the run's steps, in (0, 1]. */
  readonly share: number;
  readonly figures: Readonly<Record<string, number>>;
}

/** Which of a setting's runs it is. */
export interface RunKey {
  readonly seed: number;
  /** Number of the held-out fold, from 1; null without folds. */
  readonly fold: number | null;
}

/** One run of a setting. */
export interface TrialRun extends RunKey {
  /** `stopped`: by a rule that compares trials; `failed`: it cannot be trained so. */
  readonly state: "finished" | "stopped" | "failed";
  /** Figures of the weights that the run ended with; undefined where it failed. */
  readonly figures: Readonly<Record<string, number>> | undefined;
  readonly steps: number;
  /** The step whose weights were kept. */
  readonly selectedStep: number | undefined;
  readonly evaluations: readonly TrialEvaluation[];
  /** Computing, over all starts. */
  readonly seconds: number;
  /** Why it was stopped or failed. */
  readonly note: string | undefined;
}

/** One setting. */
export interface Trial {
  /** From 1, in the order of the draws. */
  readonly number: number;
  readonly settings: SearchSettings;
  readonly runs: readonly TrialRun[];
  /** `open`: runs are missing, since the search ended before. */
  readonly state: "finished" | "stopped" | "failed" | "open";
  /** The deciding figure over the runs; undefined unless finished. */
  readonly score: Spread | undefined;
}

/** Name of a run in files and texts: `seed-1`, `seed-1-fold-2`. */
export function runName({ seed, fold }: RunKey): string {
  return fold === null ? `seed-${seed}` : `seed-${seed}-fold-${fold}`;
}

/** Whether one value is better than another; what is no number is worse than any number. */
export function isBetter(
  value: number,
  other: number,
  { higherIsBetter }: Pick<SelectionFigure, "higherIsBetter">,
): boolean {
  if (Number.isNaN(value)) return false;
  if (Number.isNaN(other)) return true;
  return higherIsBetter ? value > other : value < other;
}

/** The best of a run's figures up to a share of its steps; undefined without any evaluation until then. */
export function bestUntil(
  evaluations: readonly TrialEvaluation[],
  share: number,
  rule: SelectionFigure,
): number | undefined {
  return evaluations
    .filter((evaluation) => evaluation.share <= share + 1e-9)
    .map(({ figures }) => figures[rule.figure] ?? Number.NaN)
    .reduce<number | undefined>(
      (best, value) => (best === undefined || isBetter(value, best, rule) ? value : best),
      undefined,
    );
}

/** A setting from those of its runs that there are. @param expected how many there are to be */
export function trialOf(
  { number, settings }: Pick<Trial, "number" | "settings">,
  runs: readonly TrialRun[],
  expected: number,
  { figure }: SelectionFigure,
): Trial {
  const has = (state: TrialRun["state"]): boolean => runs.some((run) => run.state === state);
  const isWhole = runs.length === expected && runs.every(({ state }) => state === "finished");
  const state = has("failed") ? "failed" : has("stopped") ? "stopped" : isWhole ? "finished" : "open";
  const score = isWhole ? spread(runs.map(({ figures }) => figures![figure] ?? Number.NaN)) : undefined;
  return { number, settings, runs, state, score };
}

/** Finished trials, the best mean first; of equals the earlier one. */
export function rankTrials(trials: readonly Trial[], rule: SelectionFigure): Trial[] {
  return trials
    .filter(({ score }) => score !== undefined)
    .sort((a, b) => {
      const [first, second] = [a.score!.mean, b.score!.mean];
      if (isBetter(first, second, rule)) return -1;
      return isBetter(second, first, rule) ? 1 : a.number - b.number;
    });
}

/** Figures that are better when they are smaller. */
export const lowerIsBetter: readonly string[] = ["loss", "meanSquaredError"];
