import type { Backend } from "../backend/backend.ts";
import { ConfigError, type ConfigIssue, nearestName } from "../base/errors.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import { isCarried } from "../models/model.ts";
import type { EngineOptions } from "../runtime.ts";
import { classificationFigures } from "../tasks/classification-evaluation.ts";
import type { TrainListener } from "../train/event.ts";
import { type TrainOptions, type TrainOptionsInput, trainOptionsTable } from "../train/options.ts";
import type { ParameterTreatment } from "../train/train-step.ts";

/** Options of training; three epochs and a peak rate of 5e-5 where nothing else is said. */
export interface FinetuneOptions extends TrainOptionsInput {
  /** Folder for metrics, events and checkpoints. Without it nothing is kept but the result. */
  readonly outputDir?: string | undefined;
  readonly engine?: Backend | EngineOptions | undefined;
  /**
   * What activations and matrix products are computed in; `f32` by default. Weights, optimizer state, statistics and
   * losses are f32 whatever it says.
   */
  readonly dtype?: ComputeDType | undefined;
  readonly listener?: TrainListener | undefined;
  /** Ends the run after the step in progress, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** The control: the same network with new weights from the seed. */
  readonly fromScratch?: boolean | undefined;
  /** `encoder`: only the pooler and the head are trained; `none` by default. */
  readonly freeze?: "none" | "encoder" | undefined;
  /** The figure that decides what is best, for selectBest and early stopping; the task's first, as `accuracy`, by default. */
  readonly selectionFigure?: string | undefined;
  /** How each parameter is trained, by name; replaces `freeze`. */
  readonly treatment?: ((name: string) => Partial<ParameterTreatment>) | undefined;
}

/** Everything but the pooler and the head stands still. */
const frozenEncoder = (name: string): Partial<ParameterTreatment> =>
  isCarried(name) && !name.startsWith("encoder.pooler.") ? { learningRateScale: 0 } : {};

const defaults = { numEpochs: 3, learningRate: 5e-5 } as const;

export interface ResolvedFinetune {
  readonly train: TrainOptions | undefined;
  readonly freeze: "none" | "encoder";
  readonly treatment: FinetuneOptions["treatment"];
  readonly selectionFigure: string;
}

/** Fills in options; problems are added to a list, and then there may be no `train`. */
export function resolveFinetune(
  options: FinetuneOptions,
  issues: ConfigIssue[],
  figures: readonly string[] = classificationFigures,
): ResolvedFinetune {
  const {
    outputDir: _o,
    engine: _e,
    dtype: _d,
    listener: _l,
    signal: _s,
    fromScratch: _f,
    treatment,
    ...rest
  } = options;
  const { freeze = "none", selectionFigure = figures[0]!, ...given } = rest;
  const isChoice = (path: string, value: string, choices: readonly string[]) => {
    if (choices.includes(value)) return;
    const near = nearestName(value, choices);
    const hint = near === undefined ? "" : ` Use ${near}.`;
    const message = `must be one of ${choices.join(", ")}; got ${JSON.stringify(value)}.${hint}`;
    issues.push({ path, message, code: "CONFIG_UNKNOWN_VALUE" });
  };
  isChoice("freeze", freeze, ["none", "encoder"]);
  isChoice("selectionFigure", selectionFigure, figures);
  const { numEpochs, ...others } = defaults;
  const isGiven = Object.entries(given).filter(([, value]) => value !== undefined);
  const input = {
    ...others,
    ...((given.maxSteps ?? null) === null ? { numEpochs } : {}),
    ...(Object.fromEntries(isGiven) as typeof given),
  };
  let train: TrainOptions | undefined;
  try {
    train = trainOptionsTable.resolve(input);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
  }
  const treat = treatment ?? (freeze === "encoder" ? frozenEncoder : undefined);
  return { train, freeze, selectionFigure, treatment: treat };
}
