/** @file The work of a search: runs in their order, and what is known of them. */
import { FirthError } from "../base/errors.ts";
import type { TrainListener } from "../train/event.ts";
import type { FactFolder } from "./fact-folder.ts";
import type { SearchSettings, SearchSpace } from "./space.ts";
import { halvingRungs, medianStops, type StopRule } from "./stop-rule.ts";
import {
  bestUntil,
  isBetter,
  type RunKey,
  runName,
  type SelectionFigure,
  type Trial,
  type TrialEvaluation,
  type TrialOutcome,
  type TrialRun,
  trialOf,
} from "./trial.ts";

/** One run that a search asks for. */
export interface TrialPlace extends RunKey {
  /** Of the setting, from 1. */
  readonly number: number;
  readonly settings: SearchSettings;
  /** Belong among the options of the run, as those of `finetune`. */
  readonly options: TrialRunOptions;
}

export interface TrialRunOptions {
  readonly seed: number;
  /** The run's own folder, with which it goes on after a kill; undefined where nothing is kept. */
  readonly outputDir: string | undefined;
  /** Must be told all the run's events. */
  readonly listener: TrainListener;
  /** Must be able to end the run. */
  readonly signal: AbortSignal;
}

export interface SearchSpec extends SelectionFigure {
  readonly space: SearchSpace;
  /** All combinations, or draws; `random` by default. */
  readonly method?: "grid" | "random" | undefined;
  /** Most settings that are tried: of a grid the first. Needed for draws from a space without end. */
  readonly maxTrials?: number | undefined;
  /** After so many minutes of computing, those of earlier starts included, no run is begun; the one that goes on ends first. */
  readonly maxMinutes?: number | undefined;
  /** Of the draws; 0 by default. */
  readonly seed?: number | undefined;
  /** Each setting is run with each of these; 1 by default. */
  readonly seeds?: readonly number[] | undefined;
  /** Each of these runs once for every fold; `run` is told which one it holds out. No folds by default. */
  readonly folds?: number | undefined;
  /** How poor trials are ended; not at all by default. A trial's own patience is its own setting. */
  readonly stop?: StopRule | undefined;
  /** Folder of the search. A search in a folder that holds a part of it goes on there; without one nothing is kept. */
  readonly outputDir?: string | undefined;
  /** What else decides the results, such as the data and the fixed settings; a folder with others is refused. */
  readonly facts?: object | undefined;
  /** Fine-tunes with the settings, seed and fold of a place. */
  readonly run: (place: TrialPlace) => Promise<TrialOutcome>;
  /** Is told each setting that is over, and how many there are to be. */
  readonly onTrial?: ((trial: Trial, planned: number) => void) | undefined;
  /** Ends the search after the step in progress; the same call goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** Troubles of one setting that say nothing about others. */
const trialFailures = new Set(["NOT_FINITE", "MEMORY_EXCEEDED"]);

interface ProgressLine extends TrialEvaluation {
  /** Computing since the line before. */
  readonly seconds: number;
}

/** A setting that is to be tried. */
export type PlannedTrial = Pick<Trial, "number" | "settings">;
/** How a search ended. */
export type SearchEnd = "finished" | "maxMinutes" | "interrupted";
type RunEnd = "over" | "paused" | "interrupted" | "late";

/** The runs of each setting. */
function runKeys({ seeds = [1], folds }: Pick<SearchSpec, "seeds" | "folds">): RunKey[] {
  const numbers = folds === undefined ? [null] : Array.from({ length: folds }, (_, i) => i + 1);
  return seeds.flatMap((seed) => numbers.map((fold) => ({ seed, fold })));
}

/** One start of a search. */
export class SearchRun {
  private readonly options: SearchSpec;
  private readonly facts: FactFolder;
  private readonly planned: readonly PlannedTrial[];
  private readonly keys: readonly RunKey[];
  private readonly began = performance.now();
  private readonly earlierSeconds: number;

  constructor(options: SearchSpec, facts: FactFolder, planned: readonly PlannedTrial[]) {
    this.options = options;
    this.facts = facts;
    this.planned = planned;
    this.keys = runKeys(options);
    const lines = planned.flatMap((trial) => this.keys.flatMap((key) => this.progress(trial, key)));
    this.earlierSeconds = lines.reduce((sum, { seconds }) => sum + seconds, 0);
  }

  /** Computing so far, over all starts. */
  get seconds(): number {
    return this.earlierSeconds + (performance.now() - this.began) / 1000;
  }

  private nameOf({ number }: PlannedTrial, key?: RunKey): string {
    const folder = `trials/${String(number).padStart(3, "0")}`;
    return `${folder}/${key === undefined ? "trial" : runName(key)}`;
  }

  private progress(trial: PlannedTrial, key: RunKey): ProgressLine[] {
    const lines = this.facts.lines<ProgressLine>(this.nameOf(trial, key));
    // A run that went on from a checkpoint comes by some steps again, with the same figures.
    const steps = new Map(lines.map((line) => [line.step, line]));
    return [...steps.values()].sort((a, b) => a.step - b.step);
  }

  private stored(trial: PlannedTrial, key: RunKey): Promise<TrialRun | undefined> {
    return this.facts.read<TrialRun>(this.nameOf(trial, key));
  }

  private async write(trial: PlannedTrial, run: TrialRun): Promise<void> {
    await this.facts.write(this.nameOf(trial, run), run);
  }

  async trial(planned: PlannedTrial): Promise<Trial> {
    const runs = await Promise.all(this.keys.map((key) => this.stored(planned, key)));
    const known = runs.filter((run) => run !== undefined);
    return trialOf(planned, known, this.keys.length, this.options);
  }

  private isLate(): boolean {
    const { maxMinutes = Number.POSITIVE_INFINITY } = this.options;
    return this.seconds >= 60 * maxMinutes;
  }

  /** Runs one seed and fold of a setting up to a share of its steps. */
  private async run(trial: PlannedTrial, key: RunKey, until: number): Promise<RunEnd> {
    const { options, facts } = this;
    if ((await this.stored(trial, key)) !== undefined) return "over";
    const name = this.nameOf(trial, key);
    const evaluations = this.progress(trial, key);
    if (until < 1 && evaluations.some(({ share }) => share >= until - 1e-9)) return "paused";
    if (options.signal?.aborted === true) return "interrupted";
    if (this.isLate()) return "late";
    const others = await this.earlierRuns(trial, key);
    const controller = new AbortController();
    const signals = [controller.signal, ...(options.signal === undefined ? [] : [options.signal])];
    let [maxSteps, told] = [0, performance.now()];
    // A property, since the listener changes it while the run goes on.
    const ended: { by: "stage" | "median" | undefined } = { by: undefined };
    const elapsed = (): number => {
      const before = told;
      told = performance.now();
      return (told - before) / 1000;
    };
    const listener: TrainListener = (event) => {
      if (event.kind === "start") maxSteps = event.maxSteps;
      if (event.kind !== "evaluation") return;
      const { step, loss, means } = event;
      const figures: Readonly<Record<string, number>> = { ...means, loss };
      const evaluation = { step, share: step / maxSteps, figures };
      // Of a stage that learns something else first, as the language of the task.
      if (figures[options.figure] === undefined) return;
      facts.append(name, { ...evaluation, seconds: elapsed() });
      const known = evaluations.findIndex((earlier) => earlier.step === step);
      if (known === -1) evaluations.push({ ...evaluation, seconds: 0 });
      if (evaluation.share >= 1) return;
      if (until < 1 && evaluation.share >= until - 1e-9) ended.by = "stage";
      else if (options.stop?.kind === "median" && medianStops(evaluations, others, options, options.stop.minTrials)) {
        ended.by = "median";
      }
      if (ended.by !== undefined)
        controller.abort(new FirthError("by the search.", { code: "TRIAL_STOPPED", path: name }));
    };
    const runWith = (run: Pick<TrialRun, "state" | "figures" | "selectedStep" | "note">, steps: number): TrialRun => ({
      ...{ ...key, ...run, steps },
      evaluations: evaluations.map(({ step, share, figures }) => ({ step, share, figures })),
      seconds: this.progress(trial, key).reduce((sum, { seconds }) => sum + seconds, 0) + elapsed(),
    });
    let outcome: TrialOutcome;
    try {
      const given = { seed: key.seed, outputDir: facts.path(name), listener, signal: AbortSignal.any(signals) };
      outcome = await options.run({ ...trial, ...key, options: given });
    } catch (error) {
      if (!(error instanceof FirthError && trialFailures.has(error.code))) throw error;
      const failed = { state: "failed", figures: undefined, selectedStep: undefined, note: error.message } as const;
      await this.write(trial, runWith(failed, evaluations.at(-1)?.step ?? 0));
      return "over";
    }
    const { steps, reason, selectedStep } = outcome.run;
    if (reason === "interrupted" && ended.by !== "median") return ended.by === "stage" ? "paused" : "interrupted";
    const kept = ended.by === "median" ? evaluations.at(-1) : evaluations.find(({ step }) => step === selectedStep);
    if (kept === undefined) {
      const message = "a run told no figures on held-out data. Give it some, and its events to the listener.";
      throw new FirthError(message, { code: "EVALUATION_MISSING", path: "search" });
    }
    const isStopped = reason === "interrupted";
    const note = isStopped
      ? "worse than the median of earlier trials"
      : reason === "early stopping"
        ? reason
        : undefined;
    const run = {
      state: isStopped ? "stopped" : "finished",
      figures: kept.figures,
      selectedStep: kept.step,
      note,
    } as const;
    await this.write(trial, runWith(run, steps));
    return "over";
  }

  /** Evaluations of the same seed and fold in earlier trials. */
  private async earlierRuns(trial: PlannedTrial, key: RunKey): Promise<(readonly TrialEvaluation[])[]> {
    if (this.options.stop?.kind !== "median") return [];
    const earlier = this.planned.filter(({ number }) => number < trial.number);
    const runs = await Promise.all(earlier.map((other) => this.stored(other, key)));
    return runs.flatMap((run) => (run === undefined || run.state === "failed" ? [] : [run.evaluations]));
  }

  /** All runs of a setting up to a share of their steps; the others are spared when one fails or is stopped. */
  private async runTrial(planned: PlannedTrial, until: number): Promise<RunEnd> {
    await this.facts.write(this.nameOf(planned), planned);
    let end: RunEnd = "over";
    for (const key of this.keys) {
      const { state } = await this.trial(planned);
      if (state === "failed" || state === "stopped") break;
      end = await this.run(planned, key, until);
      if (end === "interrupted" || end === "late") break;
    }
    return end;
  }

  private async tell(planned: PlannedTrial, wasOver: boolean): Promise<void> {
    const trial = await this.trial(planned);
    if (trial.state !== "open" && !wasOver) this.options.onTrial?.(trial, this.planned.length);
  }

  private async isOver(planned: PlannedTrial): Promise<boolean> {
    return (await this.trial(planned)).state !== "open";
  }

  /** The mean of what a setting's runs have reached by the first evaluation at a share; undefined where one has none. */
  private async reached(planned: PlannedTrial, share: number): Promise<number> {
    const values = await Promise.all(
      this.keys.map(async (key) => {
        const run = await this.stored(planned, key);
        if (run?.state === "failed") return Number.NaN;
        const evaluations = run?.evaluations ?? this.progress(planned, key);
        const first = evaluations.find((evaluation) => evaluation.share >= share - 1e-9) ?? evaluations.at(-1);
        return first === undefined ? Number.NaN : bestUntil(evaluations, first.share, this.options)!;
      }),
    );
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /** Ends what is left of settings that do not go on. */
  private async stop(planned: PlannedTrial, note: string): Promise<void> {
    const wasOver = await this.isOver(planned);
    for (const key of this.keys) {
      if ((await this.stored(planned, key)) !== undefined) continue;
      const lines = this.progress(planned, key);
      const last = lines.at(-1);
      const evaluations = lines.map(({ step, share, figures }) => ({ step, share, figures }));
      const seconds = lines.reduce((sum, line) => sum + line.seconds, 0);
      const facts = { steps: last?.step ?? 0, selectedStep: last?.step, figures: last?.figures };
      await this.write(planned, { ...key, state: "stopped", ...facts, evaluations, seconds, note });
    }
    await this.tell(planned, wasOver);
  }

  private async halve(stop: Extract<StopRule, { kind: "halving" }>): Promise<RunEnd> {
    const rungs = halvingRungs(this.planned.length, stop);
    let entered = [...this.planned];
    for (const [i, { share }] of rungs.entries()) {
      for (const planned of entered) {
        const wasOver = await this.isOver(planned);
        const end = await this.runTrial(planned, share);
        await this.tell(planned, wasOver);
        if (end === "interrupted" || end === "late") return end;
      }
      const next = rungs[i + 1];
      if (next === undefined) break;
      const scored = await Promise.all(
        entered.map(async (planned) => ({ planned, score: await this.reached(planned, share) })),
      );
      scored.sort((a, b) => {
        if (isBetter(a.score, b.score, this.options)) return -1;
        return isBetter(b.score, a.score, this.options) ? 1 : a.planned.number - b.planned.number;
      });
      for (const [place, { planned }] of scored.entries()) {
        if (place < next.count) continue;
        await this.stop(planned, `number ${place + 1} of ${scored.length} in stage ${i + 1} of ${rungs.length}`);
      }
      entered = scored.slice(0, next.count).map(({ planned }) => planned);
      entered.sort((a, b) => a.number - b.number);
    }
    return "over";
  }

  async go(): Promise<SearchEnd> {
    const { stop } = this.options;
    let end: RunEnd = "over";
    if (stop?.kind === "halving") end = await this.halve(stop);
    else {
      for (const planned of this.planned) {
        const wasOver = await this.isOver(planned);
        end = await this.runTrial(planned, 1);
        await this.tell(planned, wasOver);
        if (end === "interrupted" || end === "late") break;
      }
    }
    return end === "late" ? "maxMinutes" : end === "interrupted" ? "interrupted" : "finished";
  }

  /** Settings of which a run was begun. */
  async begun(): Promise<Trial[]> {
    const trials = await Promise.all(this.planned.map((planned) => this.trial(planned)));
    return trials.filter(
      (trial) => trial.runs.length > 0 || this.keys.some((key) => this.progress(trial, key).length > 0),
    );
  }
}
