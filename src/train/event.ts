/** What a run tells while it goes; a listener may draw, log or ignore it. */
export type TrainEvent =
  | { readonly kind: "start"; readonly step: number; readonly maxSteps: number; readonly description: string }
  | StepEvent
  | EvaluationEvent
  | { readonly kind: "checkpoint"; readonly step: number; readonly folder: string; readonly bytes: number }
  | { readonly kind: "notice"; readonly message: string }
  | { readonly kind: "end"; readonly step: number; readonly reason: EndReason; readonly seconds: number };

export interface StepEvent {
  readonly kind: "step";
  /** Steps made, this one included. */
  readonly step: number;
  readonly maxSteps: number;
  /** Which of several losses it is of. */
  readonly batchKind?: string;
  /** Whole loss, in nats. */
  readonly loss: number;
  /** Mean of each loss term. */
  readonly means: Readonly<Record<string, number>>;
  readonly learningRate: number;
  readonly gradientNorm: number;
  /** Tokens of this step that are not padding. */
  readonly numTokens: number;
  /** Share of the computed places that held tokens. */
  readonly fillRatio: number;
  /** Share of the matrix products' work that the tokens need: no padding, nothing computed twice. */
  readonly usefulWork: number;
  readonly stepSeconds: number;
  /** Smoothed over the last steps. */
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
}

export interface EvaluationEvent {
  readonly kind: "evaluation";
  readonly step: number;
  readonly loss: number;
  /** Means of loss terms and metrics, by name. */
  readonly means: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Whether this is the best evaluation so far, by the run's selection rule. */
  readonly best: boolean;
}

/** Why a run ended. */
export type EndReason = "finished" | "early stopping" | "interrupted";

export type TrainListener = (event: TrainEvent) => void;
