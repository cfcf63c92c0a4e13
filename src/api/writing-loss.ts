/** @file What a model's targets cost it, each token given those of the true target before it. */
import { batchLayout, planRows } from "../data/row-plan.ts";
import { perplexity } from "../evaluation/index.ts";
import type { PretrainingModel } from "../models/model.ts";
import type { TextPair } from "../tasks/sequence-to-sequence-data.ts";
import type { WritingObjective } from "../tasks/written-target.ts";
import { Evaluator } from "../train/evaluator.ts";
import type { Evaluation, OpenEvaluation } from "../train/trainer.ts";

/** Figures of a model on held-out pairs, each token given those of the true target before it. */
export interface WritingFigures {
  /** Nats per token of the targets; for networks that fill in masks, per masked token. */
  readonly loss: number;
  readonly perplexity: number;
  /** Share of the tokens that the model holds for the likeliest. */
  readonly targetAccuracy: number;
}

/** An evaluation of writing by its figures' names. */
export function writingFigures({ loss, means }: Evaluation): WritingFigures {
  return { loss, perplexity: perplexity(loss), targetAccuracy: means.targetAccuracy! };
}

/** Evaluates on the same pairs with the same masks every time. */
export function heldOutPairs(
  objective: WritingObjective,
  pairs: readonly TextPair[],
  given: { readonly batchSize: number; readonly packed: boolean; readonly module: PretrainingModel } & Pick<
    ConstructorParameters<typeof Evaluator>[0],
    "backend" | "policy"
  >,
): OpenEvaluation {
  const lengths = pairs.map((pair) => objective.rowLength(pair));
  const longest = lengths.reduce((most, length) => Math.max(most, length), 1);
  const plan = planRows(lengths, { packed: given.packed, maxSeqLength: longest, maxPlaces: given.batchSize * longest });
  const batches = function* () {
    for (const planned of plan) {
      const { items, layout } = batchLayout(planned);
      const drawn = items.map((item) => ({ example: pairs[item]!, epoch: 0, item }));
      yield objective.collate(drawn, 0, layout);
    }
  };
  return (store) => {
    const { backend, policy, module: model } = given;
    const evaluator = new Evaluator({ backend, store, model, loss: objective.loss, policy });
    return { run: () => evaluator.run(batches()), dispose: () => evaluator.dispose() };
  };
}
