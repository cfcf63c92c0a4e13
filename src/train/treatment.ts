/** @file How parameters are trained, and what an update rule is told of a step for them. */
import type { UpdateFacts } from "../optim/update-rule.ts";

/** How one parameter is trained. */
export interface ParameterTreatment {
  /** Multiplies the learning rate; 0 freezes the parameter: no gradient is computed for it. */
  readonly learningRateScale: number;
  readonly weightDecay: number;
  /**
   * The first step of the run, from 1, that trains it: until then it stands still, no gradient is computed for it, and its
   * optimizer state is 0. 1 when left out.
   */
  readonly firstStep?: number | undefined;
  /**
   * Which of its own steps a step of the run is, from 1, for parameters that not every step moves: an optimizer's corrections
   * for its first steps go by it. When left out, those from its `firstStep` on count.
   */
  readonly ownStep?: ((step: number) => number) | undefined;
}

export const UNMOVED: ParameterTreatment = { learningRateScale: 0, weightDecay: 0 };

export const firstStepOf = ({ firstStep = 1 }: ParameterTreatment): number => firstStep;

/** Whether two parameters may share the facts of every step. */
export function trainedAlike(one: ParameterTreatment, other: ParameterTreatment): boolean {
  return (
    one.learningRateScale === other.learningRateScale &&
    one.weightDecay === other.weightDecay &&
    one.firstStep === other.firstStep &&
    one.ownStep === other.ownStep
  );
}

/** What a rule is told for parameters of one treatment, all but the factor of clipping. */
export function updateFacts(
  treatment: ParameterTreatment,
  step: number,
  learningRate: number,
): Omit<UpdateFacts, "gradientScale"> {
  const { learningRateScale, weightDecay, ownStep } = treatment;
  // Moments begin at 0 in the first step that trains a parameter: corrections for that count from there.
  const own = step - firstStepOf(treatment) + 1;
  return { learningRate: learningRate * learningRateScale, weightDecay, step: ownStep?.(step) ?? own };
}

/** For each treatment the first of those like it: parameters of one number share the facts of every step. */
export function treatmentGroups(treatments: readonly ParameterTreatment[]): readonly number[] {
  const first: number[] = [];
  return treatments.map((treatment, i) => {
    const known = first.find((at) => trainedAlike(treatments[at]!, treatment));
    if (known !== undefined) return known;
    first.push(i);
    return i;
  });
}
