import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { openSafetensors, type TensorFile } from "../../src/formats/safetensors.ts";
import { bertFamily } from "../../src/models/bert/family.ts";
import type { EncoderInputs } from "../../src/models/model.ts";
import { storedTensors, type WeightEntry } from "../../src/models/weight-map.ts";
import type { Module } from "../../src/nn/module.ts";
import type { Weights } from "../../src/nn/weights.ts";
import type { Objective } from "../../src/objectives/objective.ts";
import { adamW } from "../../src/optim/adamw.ts";
import { constant } from "../../src/tensor/elementwise.ts";
import { crossEntropy } from "../../src/tensor/fused.ts";
import { gather, reshape } from "../../src/tensor/movement.ts";
import { sum } from "../../src/tensor/reduction.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { engines } from "../support/backends.ts";
import { relativeDifference } from "../support/close.ts";

const fixtures = fileURLToPath(new URL("../fixtures/bert/", import.meta.url));
const rows = 3;
const width = 9;

/** The fixture's padded rows as our packed batch of one sequence a row. */
async function fixtureBatch(expected: TensorFile, labels: readonly string[], counts: Batch["counts"]): Promise<Batch> {
  const read = async (name: string) => (await expected.read(name)).data as Int32Array;
  const i32 = (data: Int32Array, shape: readonly number[]) => ({ dtype: "i32" as const, shape, data });
  const positions = Int32Array.from({ length: rows * width }, (_, i) => i % width);
  const tensors: Record<string, ReturnType<typeof i32>> = {
    inputIds: i32(await read("input_ids"), [rows, width]),
    sequenceIds: i32(await read("attention_mask"), [rows, width]),
    positionIds: i32(positions, [rows, width]),
    tokenTypeIds: i32(await read("token_type_ids"), [rows, width]),
  };
  for (const name of labels) {
    const data = await read(name);
    tensors[name] = i32(data, [data.length]);
  }
  return { tensors, counts, numSequences: rows, numTokens: 0, numPlaces: rows * width };
}

/** Places of the rows' first tokens. */
const rowStarts = Array.from({ length: rows }, (_, row) => row * width);

/** Parameters by their Hugging Face names. */
function byKey(model: Module, weights: Weights, map: readonly WeightEntry[]): Map<string, Float32Array> {
  return new Map([...storedTensors(model, weights, map)].map(({ name, data }) => [name, data as Float32Array]));
}

async function check<M extends Module>(
  backend: Backend,
  tolerance: number,
  given: {
    readonly model: M;
    readonly weights: Weights;
    readonly map: readonly WeightEntry[];
    readonly loss: Objective<never, M>["loss"];
    readonly batch: Batch;
    readonly expected: TensorFile;
  },
): Promise<void> {
  const { model, weights, map, loss, batch, expected } = given;
  const step = await TrainStep.create({
    backend,
    model,
    weights,
    loss,
    optimizer: adamW({ epsilon: 1e-6 }),
    treatment: (name) => ({
      learningRateScale: 1,
      weightDecay: /(bias|[nN]orm\.weight)$/.test(name) ? 0 : 0.01,
    }),
    maxGradNorm: 1,
    policy: { compute: "f32" },
    accumulates: false,
    seed: 0,
  });
  const losses = (await expected.read("adamw_losses")).data as Float32Array;
  const norms = (await expected.read("adamw_grad_norms")).data as Float32Array;
  for (let i = 0; i < 3; i++) {
    const figures = await step.run([batch], i + 1, 1e-2);
    expect(relativeDifference([figures.loss], [losses[i]!]), `loss of step ${i + 1}`).toBeLessThan(tolerance);
    expect(relativeDifference([figures.gradientNorm], [norms[i]!]), `norm of step ${i + 1}`).toBeLessThan(tolerance);
    if (i > 0) continue;
    const gradients = byKey(model, await step.store.read("gradient"), map);
    for (const name of expected.names.filter((key) => key.startsWith("gradient."))) {
      // The key bias has no effect on the softmax: its gradient is rounding noise around 0.
      if (name.endsWith("key.bias")) continue;
      const difference = relativeDifference(
        gradients.get(name.slice("gradient.".length))!,
        (await expected.read(name)).data as Float32Array,
      );
      expect(difference, name).toBeLessThan(tolerance);
    }
  }
  const updated = byKey(model, await step.store.read("value"), map);
  for (const name of expected.names.filter((key) => key.startsWith("updated.") && !key.endsWith("key.bias"))) {
    const difference = relativeDifference(
      updated.get(name.slice("updated.".length))!,
      (await expected.read(name)).data as Float32Array,
    );
    expect(difference, name).toBeLessThan(tolerance * 10);
  }
  await step.dispose();
}

describe.each(engines)("BERT on $title", ({ open, tolerance, missing }) => {
  let backend: Backend | undefined;
  beforeAll(async () => {
    if (missing === undefined) backend = await open();
  });
  afterAll(async () => {
    await backend?.dispose();
  });

  it.skipIf(missing !== undefined).each([
    ["pretraining", "all places"],
    ["pretraining", "the places read"],
    ["masked-lm-gelu-new", "all places"],
    ["masked-lm-relu", "the places read"],
  ])("%s, last layer at %s: losses, gradients and three AdamW steps equal PyTorch's", async (fixture, computed) => {
    const folder = join(fixtures, fixture);
    const { module: model, weights, config } = await bertFamily.loadPretraining(folder, 0);
    const expected = await openSafetensors(join(folder, "expected.safetensors"));
    const hasPair = expected.has("next_sentence_label");
    const allLabels = (await expected.read("labels")).data as Int32Array;
    const scored = [...allLabels.keys()].filter((place) => allLabels[place] !== -100);
    const batch = await fixtureBatch(expected, hasPair ? ["labels", "next_sentence_label"] : ["labels"], {
      tokens: scored.length,
      sequences: rows,
    });
    await check(backend!, tolerance, {
      model,
      weights,
      map: bertFamily.weightMap(config),
      batch,
      expected,
      loss: (net, context, tensors) => {
        const inputs = tensors as unknown as EncoderInputs;
        const places = computed === "all places" ? [...allLabels.keys()] : [...scored, ...rowStarts];
        const at = (place: number) => places.indexOf(place);
        const pick = (hidden: Tensor, wanted: readonly number[]) => gather(hidden, constant(wanted.map(at), "i32"));
        const hidden =
          computed === "all places"
            ? reshape(net.encoder.encode(context, inputs).lastHiddenState, [rows * width, config.hiddenSize])
            : net.encoder.encodeAt(context, inputs, constant(places, "i32"));
        const labels = gather(reshape(tensors.labels!, [-1]), constant(scored, "i32"));
        const mlm = sum(crossEntropy(net.maskedLmLogits(context, pick(hidden, scored)), labels));
        const terms = { mlm: { sum: mlm, count: "tokens", weight: 1 } };
        if (!hasPair) return { terms, metrics: {} };
        const logits = net.sequencePairLogits(context, net.encoder.pool(context, pick(hidden, rowStarts)));
        const pair = sum(crossEntropy(logits, tensors.next_sentence_label!));
        return { terms: { ...terms, pair: { sum: pair, count: "sequences", weight: 1 } }, metrics: {} };
      },
    });
    await expected.close();
  });

  it.skipIf(missing !== undefined).each(["sequence-classification", "sequence-classification-sharded"])(
    "%s: loss, gradients and three AdamW steps equal PyTorch's",
    async (fixture) => {
      const { module: model, weights, config } = await bertFamily.loadClassification(join(fixtures, fixture), 0, 3);
      const expected = await openSafetensors(join(fixtures, "sequence-classification", "expected.safetensors"));
      const batch = await fixtureBatch(expected, ["labels"], { sequences: rows });
      await check(backend!, tolerance, {
        model,
        weights,
        map: bertFamily.weightMap(config),
        batch,
        expected,
        loss: (net, context, tensors) => {
          const places = constant(rowStarts, "i32");
          const first = net.encoder.encodeAt(context, tensors as unknown as EncoderInputs, places);
          const logits = net.classificationLogits(context, net.encoder.pool(context, first));
          return {
            terms: { loss: { sum: sum(crossEntropy(logits, tensors.labels!)), count: "sequences", weight: 1 } },
            metrics: {},
          };
        },
      });
      await expected.close();
    },
  );
});
