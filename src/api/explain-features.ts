/** @file What trains when over stored vectors, told before any is computed. */
import { sizeOf } from "../ir/shape.ts";
import { namedParameters } from "../nn/module.ts";
import { learningRateAt } from "../optim/schedule.ts";
import { type FeatureExample, FeatureHead, featureObjective, type VectorSource } from "../tasks/feature-head.ts";
import type { TextTask, TextTaskData } from "../tasks/text-task.ts";
import { batchMaker } from "../train/batch-maker.ts";
import { planRun, type TrainOptions } from "../train/options.ts";
import { lossUse } from "../train/used-parameter.ts";
import { explainStages, explanationText, type TransferExplanation } from "../transfer/explain.ts";
import type { ResolvedStrategy } from "../transfer/resolve-strategy.ts";
import { scheduleText } from "./explain-transfer.ts";
import { type FeatureFacts, type FeatureModel, featureSize } from "./feature-model.ts";
import { explaining, type FinetuneOptions } from "./finetune-option.ts";

/** Stands for vectors that are not there: only their size is looked at. */
const noVectors: VectorSource = { read: () => undefined };

interface FeatureRun<D extends TextTaskData, R extends { readonly loss: number }> {
  readonly task: TextTask<D, R>;
  readonly data: D;
  readonly encoder: FeatureModel["encoder"];
  readonly features: FeatureFacts;
  readonly resolved: { readonly strategy: ResolvedStrategy; readonly train: TrainOptions };
}

/** The run's one stage: a head is trained, all of the network under it stands still. */
function explainFeatures<D extends TextTaskData, R extends { readonly loss: number }>({
  task,
  data,
  encoder,
  features,
  resolved: { strategy, train: options },
}: FeatureRun<D, R>): TransferExplanation {
  const { layers, poolings } = features;
  const size = featureSize(features, encoder.module.encoder);
  const head = new FeatureHead({ ...features, size, numLabels: data.labels.length });
  const parameters = namedParameters(head);
  const examples = data.examples.map(({ label }, index): FeatureExample => ({ index, label }));
  const objective = featureObjective(task, noVectors, size);
  const listed = {
    numExamples: examples.length,
    example: (_seed: number, _epoch: number, at: number) => examples[at]!,
  };
  const [batch] = batchMaker(objective, listed, options)(0);
  const { terms } = lossUse(batch!, { model: head, parameters, loss: objective.loss });
  const run = planRun(options, examples.length);
  const { maxSteps, warmupSteps } = run;
  const { learningRate, decay, batchSize } = options;
  const sizes = new Map([...parameters].map(([key, { shape }]) => [key, sizeOf(shape)]));
  const what = `${layers.length === 1 ? "layer" : "layers"} ${layers.join(", ")}; ${poolings.join(", ")}`;
  const group = { name: `head over vectors (${what})`, learningRateScale: 1, parameters: [...sizes.keys()] };
  const stages = explainStages({
    ...{ name: "stage", isNumbered: true, sizes, stepsPerEpoch: examples.length / batchSize },
    stages: [{ firstStep: 1, lastStep: maxSteps, groups: [group] }],
    rateAt: (made) => learningRateAt(made, { learningRate, decay, maxSteps, warmupSteps }),
    losses: terms.map(({ name, weight }) => ({ name, weightAt: () => weight })),
  });
  const still = [...namedParameters(encoder.module.encoder).values()].reduce(
    (sum, { shape }) => sum + sizeOf(shape),
    0,
  );
  const explanation = {
    ...{ family: encoder.family.name, numStill: still, numExamples: examples.length, numUnlabelled: 0 },
    numParameters: still + [...sizes.values()].reduce((sum, own) => sum + own, 0),
    ...{ batchSize, maxSteps, fromScratch: strategy.fromScratch, stages },
    schedule: scheduleText(null, options, run),
  };
  return { ...explanation, text: explanationText(explanation) };
}

/** Before vectors are computed: where a run is to be explained only, it ends here. */
export function explainFeaturesIfAsked<D extends TextTaskData, R extends { readonly loss: number }>(
  run: FeatureRun<D, R>,
  options: Pick<FinetuneOptions, typeof explaining>,
): void {
  options[explaining]?.(() => explainFeatures(run));
}
