import {
  booleanField,
  type ConfigField,
  type ConfigInput,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  nullableField,
  numberField,
  probabilityField,
  showValue,
} from "../formats/config-fields.ts";
import { defineConfig } from "../formats/config-table.ts";
import type { Lanes } from "./lane-choice.ts";

const laneChoices: readonly (Lanes | "auto")[] = [1, 2, "auto"];

/** In the checkpoint, so that a resume takes the same. */
const lanesField: ConfigField<Lanes | "auto", false> = {
  kind: 'one of 1, 2, "auto"',
  jsonKey: undefined,
  aliases: [],
  needed: false,
  default: 1,
  doc: "Parts of a batch that run at the same time, each on its share of the threads; auto: two for small models.",
  check: (value) => {
    const found = laneChoices.find((choice) => choice === value);
    return found === undefined ? { rule: `must be 1, 2 or "auto"; got ${showValue(value)}.` } : { value: found };
  },
};

const fields = defineFields({
  maxSteps: nullableField(integerField({ min: 1, doc: "Optimizer steps; null: numEpochs decides." })),
  numEpochs: nullableField(numberField({ min: 0, doc: "Passes over the examples, when maxSteps is null." })),
  batchSize: integerField({ default: 32, min: 1, doc: "Sequences in an optimizer step." }),
  gradientAccumulationSteps: integerField({ default: 1, min: 1, doc: "Parts a step is computed in, to save memory." }),
  recomputeLayers: booleanField({
    default: false,
    doc: "Keep layers' inputs only and compute the rest again in the backward pass: less memory, a third more work.",
  }),
  lanes: lanesField,
  dividesState: booleanField({
    default: true,
    doc: "Several devices divide the optimizer's state among them; false: each has all of it.",
  }),
  learningRate: numberField({ default: 1e-4, min: 0, doc: "Peak learning rate." }),
  warmupSteps: nullableField(integerField({ min: 0, doc: "Steps of linear rise; null: warmupRatio decides." })),
  warmupRatio: probabilityField({ default: 0.1, doc: "Share of the steps that warm up, when warmupSteps is null." }),
  noDropoutRatio: probabilityField({
    default: 0,
    doc: "Share of the steps, the last ones, that are made without dropout; BART-large 0.1.",
  }),
  decay: choiceField(["linear", "cosine", "constant"], { default: "linear", doc: "The rate after the warm-up." }),
  weightDecay: numberField({ default: 0.01, min: 0, doc: "Decoupled decay; not on biases and LayerNorm." }),
  maxGradNorm: nullableField(
    numberField({ min: 0, default: 1, doc: "Global norm gradients are cut to; null: never." }),
  ),
  optimizer: choiceField(["adamw", "lamb"], { default: "adamw", doc: "lamb: for batches of thousands of sequences." }),
  beta1: probabilityField({ default: 0.9, doc: "Decay of the gradient's mean." }),
  beta2: probabilityField({ default: 0.999, doc: "Decay of its variance; RoBERTa 0.98, GPT-3 0.95." }),
  epsilon: numberField({ default: 1e-6, min: 0, doc: "Smallest denominator of an update." }),
  evalSteps: nullableField(
    integerField({ min: 1, doc: "Steps between evaluations; null: once an epoch, and at the end." }),
  ),
  maxEvalExamples: nullableField(integerField({ min: 1, doc: "Held-out examples an evaluation uses; null: all." })),
  checkpointSteps: nullableField(
    integerField({ min: 1, doc: "Steps between checkpoints; null: with every evaluation." }),
  ),
  keepCheckpoints: integerField({ default: 2, min: 1, doc: "Newest checkpoints kept." }),
  selectBest: booleanField({ default: false, doc: "End with the best evaluated weights instead of the last." }),
  earlyStoppingPatience: nullableField(
    integerField({ min: 1, doc: "Evaluations without a new best after which the run stops; null: never." }),
  ),
  seed: integerField({ default: 1, min: 0, doc: "Of order, masks, dropout and new weights." }),
});

export type TrainOptions = ConfigOf<typeof fields>;
export type TrainOptionsInput = ConfigInput<typeof fields>;

/** Options of a training run: defaults, checks, documentation. */
export const trainOptionsTable = defineConfig({
  name: "train",
  fields,
  rules: ({ maxSteps, numEpochs, batchSize, gradientAccumulationSteps, epsilon, ...betas }) => [
    ...(maxSteps === null && numEpochs === null
      ? [{ path: "maxSteps", message: "must be given, or numEpochs.", code: "CONFIG_REQUIRED" }]
      : []),
    ...(maxSteps !== null && numEpochs !== null
      ? [{ path: "numEpochs", message: "must be left out (null) when maxSteps is given.", code: "CONFIG_AMBIGUOUS" }]
      : []),
    ...(numEpochs === 0 ? [{ path: "numEpochs", message: "must be above 0; got 0.", code: "CONFIG_RANGE" }] : []),
    // A mean that never moves, and 0 divided by 0 where a weight had no gradient yet.
    ...(["beta1", "beta2"] as const).flatMap((path) =>
      betas[path] < 1 ? [] : [{ path, message: "must be below 1; got 1.", code: "CONFIG_RANGE" }],
    ),
    ...(epsilon === 0 ? [{ path: "epsilon", message: "must be above 0; got 0.", code: "CONFIG_RANGE" }] : []),
    ...(gradientAccumulationSteps > batchSize
      ? [
          {
            path: "gradientAccumulationSteps",
            message: `must be at most batchSize; got ${gradientAccumulationSteps} and ${batchSize}.`,
            code: "CONFIG_RANGE",
          },
        ]
      : []),
  ],
});

/** The lengths a run works out from its options and the number of examples. */
export interface RunPlan {
  readonly maxSteps: number;
  readonly stepsPerEpoch: number;
  readonly warmupSteps: number;
  /** Steps from the first that have dropout. */
  readonly dropoutSteps: number;
  readonly evalSteps: number;
  readonly checkpointSteps: number;
}

/** @param stepsOf steps of so many epochs, where batches are not cut from one order over all examples */
export function planRun(
  options: TrainOptions,
  numExamples: number,
  stepsOf = (numEpochs: number): number => Math.ceil((numEpochs * numExamples) / options.batchSize),
): RunPlan {
  const stepsPerEpoch = Math.max(1, stepsOf(1));
  const maxSteps = options.maxSteps ?? Math.max(1, stepsOf(options.numEpochs ?? 0));
  const evalSteps = options.evalSteps ?? Math.min(stepsPerEpoch, maxSteps);
  return {
    maxSteps,
    stepsPerEpoch,
    warmupSteps: options.warmupSteps ?? Math.round(options.warmupRatio * maxSteps),
    dropoutSteps: maxSteps - Math.round(options.noDropoutRatio * maxSteps),
    evalSteps,
    checkpointSteps: options.checkpointSteps ?? evalSteps,
  };
}
