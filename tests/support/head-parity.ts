/** @file Heads of words, answers and options beside transformers: logits, loss, gradients, AdamW steps. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { openSafetensors, type TensorFile } from "../../src/formats/safetensors.ts";
import type { HostTensor } from "../../src/ir/dtype.ts";
import type { LoadedState, ModelFamily } from "../../src/models/family.ts";
import type { ChoiceModel, EncoderInputs, TokenModel } from "../../src/models/model.ts";
import type { WeightEntry } from "../../src/models/weight-map.ts";
import type { ForwardContext, Module } from "../../src/nn/module.ts";
import { constant } from "../../src/tensor/elementwise.ts";
import { crossEntropy } from "../../src/tensor/fused.ts";
import { reshape, sliceAxis } from "../../src/tensor/movement.ts";
import { sum } from "../../src/tensor/reduction.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Tensors } from "../../src/tensor/trace.ts";
import { engines } from "./backends.ts";
import { forwardNumbers } from "./causal-parity.ts";
import { relativeDifference } from "./close.ts";
import { checkSteps, type ParitySteps } from "./parity-steps.ts";

export type HeadFixture = "token-classification" | "question-answering" | "multiple-choice";

/** What the tests need of a family. */
interface TestedFamily<C>
  extends Pick<ModelFamily<C>, "name" | "loadTokenClassification" | "loadQuestionAnswering" | "loadMultipleChoice"> {
  readonly weightMap: (config: C) => readonly WeightEntry[];
}

/** The key's bias has no effect on the softmax: its gradient is rounding noise around 0. */
const keyBias = "(key|k_proj)\\.bias";
/** What all places have in common has no effect on a softmax over places either. */
const lastNorm =
  "layer\\.1\\.output\\.LayerNorm\\.bias|transformer\\.ln_f\\.bias|decoder\\.layers\\.2\\.final_layer_norm\\.bias";
const noise: Readonly<Record<HeadFixture, RegExp>> = {
  "token-classification": new RegExp(`${keyBias}$`),
  "question-answering": new RegExp(`(${keyBias}|${lastNorm}|qa_outputs\\.bias)$`),
  // What all options have in common has none on that over options.
  "multiple-choice": new RegExp(`(${keyBias}|(classifier|summary|transformer\\.ln_f)\\.bias)$`),
};
/** The first GPT ends with the normalisation of its last layer, which is no noise in GPT-2. */
const firstGptNoise = new RegExp(`(${keyBias}|(summary|transformer\\.h\\.1\\.ln_2)\\.bias)$`);

/** What a fixture's labels are called. */
const labelNames = ["labels", "mc_labels", "start_positions", "end_positions"];

/** The fixture's padded rows, options in rows of their own, as a batch of one sequence a row; and its labels. */
async function fixtureBatch(
  expected: TensorFile,
): Promise<{ readonly batch: Batch; readonly labels: Batch["tensors"] }> {
  const read = async (name: string): Promise<HostTensor> => {
    const { data, shape } = await expected.read(name);
    return { dtype: "i32", shape, data: data as Int32Array };
  };
  const { data, shape } = await read("input_ids");
  const width = shape.at(-1)!;
  const rows = data.length / width;
  const inRows = (given: HostTensor): HostTensor => ({ ...given, shape: [rows, width] });
  const places = (place: (i: number) => number): HostTensor => ({
    dtype: "i32",
    shape: [rows, width],
    data: Int32Array.from(data, (_, i) => place(i)),
  });
  const tensors = {
    inputIds: inRows({ dtype: "i32", shape, data }),
    sequenceIds: inRows(await read("attention_mask")),
    positionIds: places((i) => i % width),
    tokenTypeIds: expected.has("token_type_ids") ? inRows(await read("token_type_ids")) : places(() => 0),
  };
  const labels: Record<string, HostTensor> = {};
  for (const name of labelNames) if (expected.has(name)) labels[name.replace("mc_", "")] = await read(name);
  const scored = labels.labels?.data.filter((label) => label !== -100).length ?? 0;
  const counts = { scored, rows };
  return { batch: { tensors, counts, numSequences: rows, numTokens: 0, numPlaces: rows * width }, labels };
}

/** How a head's logits come of a batch, and its loss of them; `T` tensors of a batch with labels. */
interface HeadRun<M extends Module> {
  readonly logits: (net: M, context: ForwardContext, tensors: Tensors) => Tensor;
  readonly loss: (logits: Tensor, tensors: Tensors) => ReturnType<ParitySteps<M>["loss"]>["terms"];
}

function tokenLogits(net: TokenModel, context: ForwardContext, tensors: Tensors): Tensor {
  const { lastHiddenState } = net.encoder.encode(context, tensors as unknown as EncoderInputs);
  return net.tokenLogits(context, reshape(lastHiddenState, [-1, net.encoder.hiddenSize]));
}

const taggerRun: HeadRun<TokenModel> = {
  logits: tokenLogits,
  loss: (logits, { labels }) => {
    const loss = sum(crossEntropy(logits, reshape(labels!, [-1])));
    return { loss: { sum: loss, count: "scored", weight: 1 } };
  },
};

const readerRun: HeadRun<TokenModel> = {
  logits: tokenLogits,
  loss: (logits, tensors) => {
    const ends = ["start_positions", "end_positions"].map((name, i) => {
      const scores = reshape(sliceAxis(logits, 1, i, i + 1), tensors.inputIds!.shape);
      return [name, { sum: sum(crossEntropy(scores, tensors[name]!)), count: "rows", weight: 0.5 }] as const;
    });
    return Object.fromEntries(ends);
  },
};

/** @param batch the fixture's, for the places of the last tokens */
function chooserRun(batch: Batch, numQuestions: number): HeadRun<ChoiceModel> {
  const { data, shape } = batch.tensors.sequenceIds!;
  const [rows, width] = shape as [number, number];
  const last = Array.from({ length: rows }, (_, row) => data.lastIndexOf(1, (row + 1) * width - 1));
  return {
    logits: (net, context, tensors) => {
      const { encoder } = net;
      const first = last.map((_, row) => row * width);
      const places = constant(encoder.pooledToken === "first" ? first : last, "i32");
      const hidden = encoder.encodeAt(context, tensors as unknown as EncoderInputs, places);
      return reshape(net.classificationLogits(context, encoder.pool(context, hidden)), [numQuestions, -1]);
    },
    loss: (logits, { labels }) => {
      return { loss: { sum: sum(crossEntropy(logits, labels!)), count: "scored", weight: 1 } };
    },
  };
}

/** The tests of one family's heads on every engine. */
export function describeHeadParity<C>(family: TestedFamily<C>, fixtures: readonly HeadFixture[]): void {
  const root = fileURLToPath(new URL(`../fixtures/${family.name}/`, import.meta.url));

  describe.each(engines)(`heads of ${family.name} on $title`, ({ open, tolerance, missing }) => {
    let backend: Backend | undefined;
    beforeAll(async () => {
      if (missing === undefined) backend = await open();
    });
    afterAll(async () => {
      await backend?.dispose();
    });

    async function check<M extends Module>(
      fixture: HeadFixture,
      loaded: LoadedState<M, C>,
      expected: TensorFile,
      runOf: (batch: Batch, labels: Batch["tensors"]) => HeadRun<M>,
    ): Promise<void> {
      const { module: model, weights, config, newParameters } = loaded;
      expect(newParameters).toEqual([]);
      const { batch, labels } = await fixtureBatch(expected);
      const run = runOf(batch, labels);
      const { logits } = await forwardNumbers(backend!, loaded, batch, (context, tensors) => ({
        logits: run.logits(model, context, tensors),
      }));
      const wanted = await expected.read("logits");
      // PyTorch's padding sees other tokens than ours, and nothing reads either.
      const mask = batch.tensors.sequenceIds!.data;
      const perPlace = wanted.data.length / mask.length;
      const real = (all: ArrayLike<number>) =>
        perPlace < 1 ? all : Array.from(all).filter((_, i) => mask[Math.floor(i / perPlace)] === 1);
      expect(relativeDifference(real(logits!), real(wanted.data as Float32Array)), "logits").toBeLessThan(tolerance);
      await checkSteps(backend!, tolerance, {
        ...{
          model,
          weights,
          expected,
          noise: family.name === "openai-gpt" ? firstGptNoise : noise[fixture],
          map: family.weightMap(config),
        },
        batch: { ...batch, tensors: { ...batch.tensors, ...labels } },
        loss: (net, context, tensors) => ({
          terms: run.loss(run.logits(net, context, tensors), tensors),
          metrics: {},
        }),
      });
    }

    it.skipIf(missing !== undefined).each(fixtures)(
      "%s: logits, loss, gradients and three AdamW steps equal PyTorch's (bug: a pooler too many or too few, another task's head)",
      async (fixture) => {
        const folder = join(root, fixture);
        const expected = await openSafetensors(join(folder, "expected.safetensors"));
        if (fixture === "multiple-choice") {
          const run = (batch: Batch, labels: Batch["tensors"]) => chooserRun(batch, labels.labels!.shape[0]!);
          await check(fixture, await family.loadMultipleChoice(folder, 0), expected, run);
        } else if (fixture === "question-answering") {
          await check(fixture, await family.loadQuestionAnswering(folder, 0), expected, () => readerRun);
        } else {
          await check(fixture, await family.loadTokenClassification(folder, 0), expected, () => taggerRun);
        }
        await expected.close();
      },
    );
  });
}
