import { ConfigError, type ConfigIssue, nearestName } from "../base/errors.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import { type AdapterOptions, type ResolvedAdapter, resolveAdapter } from "../models/adapter/option.ts";
import { isCarried } from "../models/model.ts";
import type { GivenEngine } from "../runtime.ts";
import { classificationFigures } from "../tasks/classification-evaluation.ts";
import type { TrainListener } from "../train/event.ts";
import { type TrainOptions, type TrainOptionsInput, trainOptionsTable } from "../train/options.ts";
import type { ParameterTreatment } from "../train/train-step.ts";
import type { TransferExplanation } from "../transfer/explain.ts";
import { isPlain, type ResolvedStrategy, resolveStrategy, strategyKeys } from "../transfer/resolve-strategy.ts";
import type { Freeze, Strategy } from "../transfer/strategy.ts";
import { type CrossViewOptions, type ResolvedCrossView, resolveCrossView } from "./cross-view-option.ts";

/** Stands in the options of a run that is to be explained only; see `explainTransfer`. */
export const explaining: unique symbol = Symbol("explaining");

/**
 * Options of training, three epochs and a peak rate of 5e-5 where nothing else is said; and a strategy:
 * `{ ...ulmfit(), numEpochs: 8 }`.
 */
export interface FinetuneOptions extends TrainOptionsInput, Strategy {
  /** Folder for metrics, events and checkpoints. Without it nothing is kept but the result. */
  readonly outputDir?: string | undefined;
  readonly engine?: GivenEngine | undefined;
  /**
   * What activations and matrix products are computed in; `f32` by default. Weights, optimizer state, statistics and
   * losses are f32 whatever it says.
   */
  readonly dtype?: ComputeDType | undefined;
  readonly listener?: TrainListener | undefined;
  /** Ends the run after the step in progress, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** The figure that decides what is best, for selectBest and early stopping; the task's first, as `accuracy`, by default. */
  readonly selectionFigure?: string | undefined;
  /**
   * Leaves the model's own weights as they are, and trains low-rank changes of them or small networks inside its layers, and
   * the head. The result is saved as the adapter alone; `mergeAdapter` makes an ordinary model of LoRA.
   */
  readonly adapter?: AdapterOptions | null | undefined;
  /** Learns from texts without labels too: see {@link CrossViewOptions}. For classes and numbers of texts, for tags of words. */
  readonly crossView?: CrossViewOptions | null | undefined;
  /** How each parameter is trained, by name; instead of `freeze`, `unfreezing` and `layerRateFactor`. */
  readonly treatment?: ((name: string) => Partial<ParameterTreatment>) | undefined;
  /** @internal */
  readonly [explaining]?: ((explain: () => TransferExplanation) => never) | undefined;
}

/** Everything but the pooler and the head stands still. */
const frozenEncoder = (name: string): Partial<ParameterTreatment> =>
  isCarried(name) && !name.startsWith("encoder.pooler.") ? { learningRateScale: 0 } : {};

const defaults = { numEpochs: 3, learningRate: 5e-5 } as const;

export interface ResolvedFinetune {
  readonly train: TrainOptions | undefined;
  readonly strategy: ResolvedStrategy;
  readonly freeze: Freeze;
  /** The caller's; of a task without strategies also what `freeze` says. */
  readonly treatment: FinetuneOptions["treatment"];
  readonly adapter?: ResolvedAdapter | undefined;
  readonly crossView?: ResolvedCrossView | undefined;
  readonly selectionFigure: string;
}

export interface FinetuneResolving {
  /** Whether the run is made by `trainByStrategy`: without it there is `freeze: encoder` and no other strategy. */
  readonly byStrategy?: boolean;
  /** Whether the run can have an adapter; as byStrategy when left out. */
  readonly adapts?: boolean;
  /** Whether the run can learn from texts without labels; false when left out. */
  readonly crossViews?: boolean;
  /** Whether the run can be explained; as byStrategy when left out. */
  readonly explains?: boolean;
}

/** What a task without strategies cannot do. */
function unsupportedIssues(strategy: ResolvedStrategy): ConfigIssue[] {
  const { unfreezing, schedule, auxiliary, languageTuning, layerRateFactor, freeze } = strategy;
  const asked = {
    ...{ unfreezing: unfreezing !== null, schedule: schedule !== null, auxiliary: auxiliary !== null },
    ...{ languageTuning: languageTuning !== null, layerRateFactor: layerRateFactor !== 1 },
    freeze: typeof freeze !== "string",
  };
  return Object.entries(asked).flatMap(([path, isAsked]) =>
    isAsked ? [{ path, message: "is not there for this task. Leave it out.", code: "STRATEGY_UNSUPPORTED" }] : [],
  );
}

/** An adapter's settings, and what else a run cannot have beside one; problems are added to a list. */
function checkAdapter(
  adapter: AdapterOptions | null | undefined,
  { fromScratch, auxiliary, languageTuning }: ResolvedStrategy,
  issues: ConfigIssue[],
  isThere: boolean,
): ResolvedAdapter | undefined {
  if (adapter === undefined || adapter === null) return undefined;
  const refuse = (path: string, message: string, code: string) => issues.push({ path, message, code });
  if (!isThere) refuse("adapter", "is not there for this task. Leave it out.", "STRATEGY_UNSUPPORTED");
  if (fromScratch)
    refuse("adapter", "needs a pre-trained model. Leave out one of adapter and fromScratch.", "ADAPTER_FROM_SCRATCH");
  const others = { auxiliary, languageTuning };
  for (const [path, value] of Object.entries(others)) {
    if (value === null) continue;
    refuse(
      path,
      "moves weights of the model itself, which stay with an adapter. Leave out one of the two.",
      "ADAPTER_AND_LANGUAGE",
    );
  }
  try {
    return resolveAdapter(adapter);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues.map((issue) => ({ ...issue, path: `adapter.${issue.path}` })));
    return undefined;
  }
}

/**
 * A batch with an auxiliary loss is two: the task's rows, and those that its texts make as language. They are not as many, so
 * that the two cannot be cut into lanes together: one where nothing is said.
 */
function withAuxiliaryLanes(
  train: TrainOptions | undefined,
  { auxiliary }: ResolvedStrategy,
  issues: ConfigIssue[],
): TrainOptions | undefined {
  if (auxiliary === null || train === undefined || train.lanes === 1) return train;
  if (train.lanes === 2) {
    const message =
      'must be 1 or "auto" with an auxiliary loss, whose rows are others than the task\'s; got 2. Set train.lanes: 1.';
    issues.push({ path: "lanes", message, code: "LANES_UNSUPPORTED" });
  }
  return { ...train, lanes: 1 };
}

/** Fills in options; problems are added to a list, and then there may be no `train`. */
export function resolveFinetune(
  options: FinetuneOptions,
  issues: ConfigIssue[],
  figures: readonly string[] = classificationFigures,
  { byStrategy = false, adapts = byStrategy, crossViews = false, explains = byStrategy }: FinetuneResolving = {},
): ResolvedFinetune {
  const {
    outputDir: _o,
    engine: _e,
    dtype: _d,
    listener: _l,
    signal: _s,
    treatment,
    adapter: asked,
    crossView: views,
    selectionFigure = figures[0]!,
    ...rest
  } = options;
  const isOfStrategy = (key: string): boolean => (strategyKeys as readonly string[]).includes(key);
  const pick = (wanted: boolean) => Object.entries(rest).filter(([key]) => isOfStrategy(key) === wanted);
  const strategy = resolveStrategy(Object.fromEntries(pick(true)), issues, "");
  const given = Object.fromEntries(pick(false).filter(([, value]) => value !== undefined)) as TrainOptionsInput;
  if (!figures.includes(selectionFigure)) {
    const near = nearestName(selectionFigure, figures);
    const hint = near === undefined ? "" : ` Use ${near}.`;
    const message = `must be one of ${figures.join(", ")}; got ${JSON.stringify(selectionFigure)}.${hint}`;
    issues.push({ path: "selectionFigure", message, code: "CONFIG_UNKNOWN_VALUE" });
  }
  const { numEpochs, ...others } = defaults;
  const input = { ...others, ...((given.maxSteps ?? null) === null ? { numEpochs } : {}), ...given };
  let train: TrainOptions | undefined;
  try {
    train = trainOptionsTable.resolve(input);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
  }
  train = withAuxiliaryLanes(train, strategy, issues);
  const { freeze } = strategy;
  const adapter = checkAdapter(asked, strategy, issues, adapts);
  const crossView = (views ?? null) === null ? undefined : resolveCrossView(views!, issues);
  if (crossView !== undefined && !crossViews) {
    issues.push({
      path: "crossView",
      message: "is not there for this task. Leave it out.",
      code: "STRATEGY_UNSUPPORTED",
    });
  }
  if (!explains && options[explaining] !== undefined) {
    issues.push({ path: "explain", message: "is not there for this task.", code: "STRATEGY_UNSUPPORTED" });
  }
  if (!byStrategy) issues.push(...unsupportedIssues(strategy));
  const isSimple = !byStrategy && freeze === "encoder" && isPlain(strategy);
  const treated = treatment ?? (isSimple ? frozenEncoder : undefined);
  return { train, strategy, freeze, selectionFigure, treatment: treated, adapter, crossView };
}
