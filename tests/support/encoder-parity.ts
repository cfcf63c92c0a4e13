/** @file Encoders that fill in masked words beside transformers: states, logits, loss, gradients, AdamW steps. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { openSafetensors, type TensorFile } from "../../src/formats/safetensors.ts";
import type { LoadedState } from "../../src/models/family.ts";
import type { ClassificationModel, Encoder, EncoderInputs, PretrainingModel } from "../../src/models/model.ts";
import type { WeightEntry } from "../../src/models/weight-map.ts";
import type { ForwardContext } from "../../src/nn/module.ts";
import { constant } from "../../src/tensor/elementwise.ts";
import { crossEntropy } from "../../src/tensor/fused.ts";
import { gather, reshape } from "../../src/tensor/movement.ts";
import { sum } from "../../src/tensor/reduction.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { engines } from "./backends.ts";
import { forwardNumbers } from "./causal-parity.ts";
import { relativeDifference } from "./close.ts";
import { checkSteps } from "./parity-steps.ts";

/** What the tests need of a family. */
interface TestedFamily<C> {
  readonly name: string;
  readonly weightMap: (config: C) => readonly WeightEntry[];
  loadPretraining(folder: string, seed: number): Promise<LoadedState<PretrainingModel, C>>;
  loadClassification(folder: string, seed: number): Promise<LoadedState<ClassificationModel, C>>;
}

/** Its fixtures, by the folders' names. */
export interface EncoderFixtures {
  readonly pretraining: readonly string[];
  /** Folders of classifiers, and those whose expected numbers they have. */
  readonly classification: readonly (readonly [folder: string, numbers: string])[];
}

/** The key's bias has no effect on the softmax: its gradient is rounding noise around 0. */
const noise = /key\.bias$/;
const pairLabels = ["next_sentence_label", "sentence_order_label"];
const pairLogits = ["seq_relationship_logits", "sop_logits"];

/** The fixture's padded rows as our packed batch of one sequence a row. */
async function fixtureBatch(expected: TensorFile, labels: readonly string[]): Promise<Batch> {
  const read = async (name: string) => {
    const { data, shape } = await expected.read(name);
    return { dtype: "i32" as const, shape, data: data as Int32Array };
  };
  const inputIds = await read("input_ids");
  const [rows, width] = inputIds.shape as [number, number];
  const tensors: Record<string, typeof inputIds> = {
    inputIds,
    sequenceIds: await read("attention_mask"),
    positionIds: { ...inputIds, data: Int32Array.from({ length: rows * width }, (_, i) => i % width) },
    tokenTypeIds: await read("token_type_ids"),
  };
  for (const name of labels) tensors[name] = await read(name);
  const scored = labels.includes("labels") ? tensors.labels!.data.filter((label) => label !== -100).length : 0;
  const counts = { tokens: scored, sequences: rows };
  return { tensors, counts, numSequences: rows, numTokens: 0, numPlaces: rows * width };
}

/** Places of the rows' first tokens. */
function rowStarts(batch: Batch): number[] {
  const [rows, width] = batch.tensors.inputIds!.shape as [number, number];
  return Array.from({ length: rows }, (_, row) => row * width);
}

const places = (list: readonly number[]): Tensor => constant(list, "i32");

function pooledFirst(context: ForwardContext, encoder: Encoder, inputs: EncoderInputs, batch: Batch): Tensor {
  return encoder.pool(context, encoder.encodeAt(context, inputs, places(rowStarts(batch))));
}

/** The tests of one family on every engine. */
export function describeEncoderParity<C>(family: TestedFamily<C>, given: EncoderFixtures): void {
  const fixtures = fileURLToPath(new URL(`../fixtures/${family.name}/`, import.meta.url));
  const open = async (fixture: string) => openSafetensors(join(fixtures, fixture, "expected.safetensors"));

  describe.each(engines)(`${family.name} on $title`, ({ open: openEngine, tolerance, missing }) => {
    let backend: Backend | undefined;
    beforeAll(async () => {
      if (missing === undefined) backend = await openEngine();
    });
    afterAll(async () => {
      await backend?.dispose();
    });

    /** Compares all numbers of a forward computation that the fixture has, at real tokens. */
    async function checkNumbers(
      expected: TensorFile,
      batch: Batch,
      numbers: Readonly<Record<string, Float32Array>>,
    ): Promise<void> {
      const mask = batch.tensors.sequenceIds!.data;
      for (const [name, own] of Object.entries(numbers)) {
        const { data, shape } = await expected.read(name);
        // PyTorch's padding sees other tokens than ours, and nothing reads either.
        const real = (all: ArrayLike<number>) =>
          shape.length < 3 ? all : Array.from(all).filter((_, i) => mask[Math.floor(i / shape[2]!)] === 1);
        expect(relativeDifference(real(own), real(data as Float32Array)), name).toBeLessThan(tolerance);
      }
    }

    it.skipIf(missing !== undefined).each(given.pretraining)(
      "%s: the states of every layer and all logits equal PyTorch's (bug: a place one off, layers shared wrongly)",
      async (fixture) => {
        const loaded = await family.loadPretraining(join(fixtures, fixture), 0);
        const { module } = loaded;
        const expected = await open(fixture);
        const batch = await fixtureBatch(expected, []);
        const named = (names: readonly string[]) => names.find((name) => expected.has(name));
        const mlmName = named(["prediction_logits", "logits"])!;
        const pairName = named(pairLogits);
        const numbers = await forwardNumbers(backend!, loaded, batch, (context, tensors) => {
          const inputs = tensors as unknown as EncoderInputs;
          const { hiddenStates, lastHiddenState } = module.encoder.encode(context, inputs);
          const hidden = reshape(lastHiddenState, [-1, module.encoder.hiddenSize]);
          const pooled = pairName && pooledFirst(context, module.encoder, inputs, batch);
          return {
            ...Object.fromEntries(hiddenStates.map((state, i) => [`hidden_states.${i}`, state])),
            [mlmName]: module.maskedLmLogits!(context, hidden),
            ...(pooled && { pooler_output: pooled, [pairName!]: module.sequencePairLogits!(context, pooled) }),
          };
        });
        const count = expected.names.filter((name) => name.startsWith("hidden_states.")).length;
        expect(count).toBe(module.encoder.numHiddenLayers + 1);
        await checkNumbers(expected, batch, numbers);
        await expected.close();
      },
    );

    it.skipIf(missing !== undefined).each(
      given.pretraining.flatMap((name) => [
        [name, "all places"],
        [name, "the places read"],
      ]),
    )("%s, last layer at %s: losses, gradients and three AdamW steps equal PyTorch's", async (fixture, computed) => {
      const { module: model, weights, config } = await family.loadPretraining(join(fixtures, fixture!), 0);
      const expected = await open(fixture!);
      const pairLabel = pairLabels.find((name) => expected.has(name));
      const batch = await fixtureBatch(expected, pairLabel === undefined ? ["labels"] : ["labels", pairLabel]);
      const starts = rowStarts(batch);
      const allLabels = batch.tensors.labels!.data;
      const every = [...allLabels.keys()];
      const scored = every.filter((place) => allLabels[place] !== -100);
      await checkSteps(backend!, tolerance, {
        ...{ model, weights, batch, expected, noise, map: family.weightMap(config) },
        loss: (net, context, tensors) => {
          const inputs = tensors as unknown as EncoderInputs;
          const read = computed === "all places" ? every : [...scored, ...starts];
          const pick = (hidden: Tensor, wanted: readonly number[]) =>
            gather(hidden, places(wanted.map((place) => read.indexOf(place))));
          const hidden =
            computed === "all places"
              ? reshape(net.encoder.encode(context, inputs).lastHiddenState, [-1, net.encoder.hiddenSize])
              : net.encoder.encodeAt(context, inputs, places(read));
          const labels = gather(reshape(tensors.labels!, [-1]), places(scored));
          const mlm = sum(crossEntropy(net.maskedLmLogits!(context, pick(hidden, scored)), labels));
          const terms = { mlm: { sum: mlm, count: "tokens", weight: 1 } };
          if (pairLabel === undefined) return { terms, metrics: {} };
          const logits = net.sequencePairLogits!(context, net.encoder.pool(context, pick(hidden, starts)));
          const pair = sum(crossEntropy(logits, tensors[pairLabel]!));
          return { terms: { ...terms, pair: { sum: pair, count: "sequences", weight: 1 } }, metrics: {} };
        },
      });
      await expected.close();
    });

    it.skipIf(missing !== undefined).each(given.classification)(
      "%s: logits, loss, gradients and three AdamW steps equal PyTorch's",
      async (fixture, numbers) => {
        const loaded = await family.loadClassification(join(fixtures, fixture), 0);
        const { module: model, weights, config } = loaded;
        const expected = await open(numbers);
        const batch = await fixtureBatch(expected, ["labels"]);
        const logitsOf = (net: ClassificationModel, context: ForwardContext, inputs: EncoderInputs) =>
          net.classificationLogits(context, pooledFirst(context, net.encoder, inputs, batch));
        const { labels: _, ...unlabelled } = batch.tensors;
        const results = await forwardNumbers(
          backend!,
          loaded,
          { ...batch, tensors: unlabelled },
          (context, tensors) => ({ logits: logitsOf(model, context, tensors as unknown as EncoderInputs) }),
        );
        await checkNumbers(expected, batch, results);
        await checkSteps(backend!, tolerance, {
          ...{ model, weights, batch, expected, noise, map: family.weightMap(config) },
          loss: (net, context, tensors) => {
            const logits = logitsOf(net, context, tensors as unknown as EncoderInputs);
            const loss = sum(crossEntropy(logits, tensors.labels!));
            return { terms: { loss: { sum: loss, count: "sequences", weight: 1 } }, metrics: {} };
          },
        });
        await expected.close();
      },
    );
  });
}
