import type { Batch } from "../data/batch.ts";
import type { StepEvent } from "./event.ts";
import type { StepFigures } from "./train-step.ts";

/** Weight of the newest step in the smoothed rate. */
const SMOOTHING = 0.1;

/** Measures how fast a run goes and how long it still takes. */
export class Pace {
  private readonly maxSteps: number;
  private readonly started = performance.now();
  private secondsPerStep: number | undefined;
  private tokensPerStep: number | undefined;

  constructor(maxSteps: number) {
    this.maxSteps = maxSteps;
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  stepEvent(
    step: number,
    batches: readonly Batch[],
    figures: StepFigures,
    learningRate: number,
    stepSeconds: number,
  ): StepEvent {
    const numTokens = batches.reduce((sum, batch) => sum + batch.numTokens, 0);
    const numPlaces = batches.reduce((sum, batch) => sum + batch.numPlaces, 0);
    const smooth = (old: number | undefined, now: number): number =>
      old === undefined ? now : old + SMOOTHING * (now - old);
    this.secondsPerStep = smooth(this.secondsPerStep, stepSeconds);
    this.tokensPerStep = smooth(this.tokensPerStep, numTokens);
    return {
      kind: "step",
      step,
      maxSteps: this.maxSteps,
      ...(batches[0]?.kind === undefined ? {} : { batchKind: batches[0].kind }),
      loss: figures.loss,
      means: figures.means,
      learningRate,
      gradientNorm: figures.gradientNorm,
      numTokens,
      fillRatio: numTokens / numPlaces,
      usefulWork: figures.work.usefulFlops / figures.work.executedFlops,
      stepSeconds,
      tokensPerSecond: this.tokensPerStep / this.secondsPerStep,
      secondsLeft: (this.maxSteps - step) * this.secondsPerStep,
    };
  }
}
