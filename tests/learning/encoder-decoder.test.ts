/** @file BART's and MASS's objectives teach: on a language of 19 words in cycles, whose words follow from each other. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import type { PretrainingModel } from "../../src/models/model.ts";
import { initialWeights } from "../../src/nn/weights.ts";
import { denoising } from "../../src/objectives/denoising.ts";
import { maskedSequenceToSequence } from "../../src/objectives/masked-sequence-to-sequence.ts";
import type { PretrainingObjective } from "../../src/objectives/objective.ts";
import { Evaluator } from "../../src/train/evaluator.ts";
import { trainOptionsTable } from "../../src/train/options.ts";
import { train } from "../../src/train/trainer.ts";
import { tinyBart } from "../support/tiny-bart.ts";
import { cyclicExamples, numWords, tinyTokenizer } from "../support/tiny-run.ts";

let backend: Backend;
beforeAll(async () => {
  backend = await createOnnxBackend({ threads: 2 });
});
afterAll(() => backend.dispose());

const common = { tokenizer: tinyTokenizer, maxSeqLength: 16 };
const objectives: readonly (readonly [string, PretrainingObjective])[] = [
  ["denoising", denoising(common)],
  ["masked sequence to sequence", maskedSequenceToSequence(common)],
];

test.each(objectives)(
  "%s: held-out loss falls far below that of guessing words (bug: labels beside their inputs)",
  async (_name, objective) => {
    const model: PretrainingModel = tinyBart({ hiddenSize: 32, intermediateSize: 64, decoderIntermediateSize: 64 });
    const examples = cyclicExamples(400);
    const drawn = Array.from({ length: 32 }, (_, i) => ({
      example: examples.example(0, 0, 350 + i),
      epoch: 0,
      item: i,
    }));
    const { evaluations } = await train({
      ...{ backend, model, objective },
      weights: initialWeights(model, 1),
      examples: { ...examples, numExamples: 300 },
      options: trainOptionsTable.resolve({
        maxSteps: 160,
        batchSize: 16,
        learningRate: 5e-3,
        warmupSteps: 20,
        seed: 2,
      }),
      evaluation: (store) => {
        const evaluator = new Evaluator({ backend, store, model, loss: objective.loss, policy: { compute: "f32" } });
        return { run: () => evaluator.run([objective.collate(drawn, 0)]), dispose: () => evaluator.dispose() };
      },
    });
    expect(evaluations.at(-1)!.loss).toBeLessThan(0.35 * Math.log(numWords));
  },
  60_000,
);
