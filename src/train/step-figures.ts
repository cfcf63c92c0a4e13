/** @file What a step tells when it is made, and how one ends that cannot be. */
import { FirthError } from "../base/errors.ts";
import type { StepWork } from "./useful-work.ts";

export interface StepFigures {
  /** Σ weight · mean over the loss terms, in nats. */
  readonly loss: number;
  /** Mean of each loss term and metric. */
  readonly means: Readonly<Record<string, number>>;
  /** Global norm of the gradient before clipping. */
  readonly gradientNorm: number;
  readonly work: StepWork;
  /** Parts of a batch that ran at the same time; of the batch with the fewest. */
  readonly lanes: number;
  /** Devices that the batch was cut for; 1 where there is one, or where its tensors do not divide. */
  readonly devices: number;
  /** Whether the step was one graph; its time is then all the gradient's. */
  readonly isWhole: boolean;
  /** Where the time went: loss and gradients, their norm, the update; in milliseconds. */
  readonly milliseconds: { readonly gradient: number; readonly norm: number; readonly update: number };
}

/** A step that the engine has been given. */
export interface StartedStep {
  /** Whether the next one may be started before the figures are there. */
  readonly isAhead: boolean;
  /** @throws {DivergenceError} NOT_FINITE: neither this step nor any that was started behind it has changed anything */
  readonly figures: Promise<StepFigures>;
}

/** A run that met a loss or gradient that is not a number; the weights are those before the step. */
export class DivergenceError extends FirthError {}

export function diverged(step: number, loss: number, gradientNorm: number): DivergenceError {
  return new DivergenceError(
    `the loss is ${loss} and the gradient norm ${gradientNorm}. The weights are those before this step; lower learningRate or raise warmupSteps.`,
    { code: "NOT_FINITE", path: `step ${step}`, details: { step, loss, gradientNorm } },
  );
}
