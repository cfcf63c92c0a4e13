/** @file Left-to-right models beside transformers: states, logits, loss, gradients, AdamW steps. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { openSafetensors, type TensorFile } from "../../src/formats/safetensors.ts";
import type { ClassificationModel, EncoderInputs, PretrainingModel } from "../../src/models/model.ts";
import type { WeightEntry } from "../../src/models/weight-map.ts";
import type { Module } from "../../src/nn/module.ts";
import type { Weights } from "../../src/nn/weights.ts";
import { constant } from "../../src/tensor/elementwise.ts";
import { crossEntropy } from "../../src/tensor/fused.ts";
import { gather, reshape } from "../../src/tensor/movement.ts";
import { sum } from "../../src/tensor/reduction.ts";
import type { Tensors } from "../../src/tensor/trace.ts";
import { BatchProgram } from "../../src/train/batch-program.ts";
import { traceForward } from "../../src/train/forward-graph.ts";
import { ModelStore } from "../../src/train/model-store.ts";
import { engines } from "./backends.ts";
import { relativeDifference } from "./close.ts";
import { checkSteps } from "./parity-steps.ts";

interface Loaded<M extends Module> {
  readonly module: M;
  readonly weights: Weights;
}

/** What the tests need of a family. */
export interface CausalFamily {
  readonly name: string;
  pretraining(folder: string): Promise<Loaded<PretrainingModel> & { readonly map: readonly WeightEntry[] }>;
  classification(folder: string): Promise<Loaded<ClassificationModel> & { readonly map: readonly WeightEntry[] }>;
}

/** No exact gradient is 0 as a whole tensor: the key's bias is a third of one. */
const noise = /(?!)/;

async function integers(expected: TensorFile, name: string) {
  const { data, shape } = await expected.read(name);
  return { dtype: "i32" as const, shape, data: data as Int32Array };
}

/** The fixture's padded rows as a batch of one sequence a row. */
async function fixtureBatch(expected: TensorFile, counts: Batch["counts"]): Promise<Batch> {
  const inputIds = await integers(expected, "input_ids");
  const [rows, width] = inputIds.shape as [number, number];
  const places = (place: (i: number) => number) => ({
    ...inputIds,
    data: Int32Array.from({ length: rows * width }, (_, i) => place(i)),
  });
  const tensors = {
    inputIds,
    sequenceIds: await integers(expected, "attention_mask"),
    positionIds: places((i) => i % width),
    tokenTypeIds: places(() => 0),
    labels: await integers(expected, "labels"),
  };
  return { tensors, counts, numSequences: rows, numTokens: 0, numPlaces: rows * width };
}

/** Numbers of a forward computation. */
export async function forwardNumbers(
  backend: Backend,
  { module, weights }: Loaded<Module>,
  batch: Batch,
  run: Parameters<typeof traceForward>[3],
): Promise<Readonly<Record<string, Float32Array>>> {
  const store = new ModelStore(backend, module, ["value"]);
  store.write("value", weights);
  const trace = (given: Batch) => traceForward(store.parameters, given, { compute: "f32" }, run);
  const program = new BatchProgram({ backend, store, trace });
  const results = await program.run(batch);
  await program.dispose();
  store.dispose();
  return results as Readonly<Record<string, Float32Array>>;
}

/** The tests of one family on every engine. */
export function describeCausalParity(family: CausalFamily): void {
  const fixtures = fileURLToPath(new URL(`../fixtures/${family.name}/`, import.meta.url));
  const languageModels = ["lm", "lm-relu"];

  describe.each(engines)(`${family.name} on $title`, ({ open, tolerance, missing }) => {
    let backend: Backend | undefined;
    beforeAll(async () => {
      if (missing === undefined) backend = await open();
    });
    afterAll(async () => {
      await backend?.dispose();
    });

    it.skipIf(missing !== undefined).each(languageModels)(
      "%s: the states of every layer and the logits equal PyTorch's (bug: norm on the wrong side, query and key exchanged)",
      async (fixture) => {
        const folder = join(fixtures, fixture);
        const loaded = await family.pretraining(folder);
        const expected = await openSafetensors(join(folder, "expected.safetensors"));
        const batch = await fixtureBatch(expected, {});
        const results = await forwardNumbers(backend!, loaded, batch, (context, tensors) => {
          const { encoder } = loaded.module;
          const { hiddenStates, lastHiddenState } = encoder.encode(context, tensors as unknown as EncoderInputs);
          const named = hiddenStates.map((state, i) => [`hidden_states.${i}`, state] as const);
          const hidden = reshape(lastHiddenState, [-1, encoder.hiddenSize]);
          return { ...Object.fromEntries(named), logits: loaded.module.causalLmLogits!(context, hidden) };
        });
        const compared = expected.names.filter((name) => /^(hidden_states|logits)/.test(name));
        expect(compared).toHaveLength(loaded.module.encoder.numHiddenLayers + 2);
        const mask = batch.tensors.sequenceIds!.data;
        for (const name of compared) {
          const { data, shape } = await expected.read(name);
          // PyTorch's padding sees other tokens than ours, and nothing reads either.
          const real = (all: ArrayLike<number>) =>
            Array.from(all as Float32Array).filter((_, i) => mask[Math.floor(i / shape[2]!)] === 1);
          expect(relativeDifference(real(results[name]!), real(data as Float32Array)), name).toBeLessThan(tolerance);
        }
        await expected.close();
      },
    );

    it.skipIf(missing !== undefined).each(
      languageModels.flatMap((name) => [
        [name, "all places"],
        [name, "the places read"],
      ]),
    )("%s, last layer at %s: losses, gradients and three AdamW steps equal PyTorch's", async (fixture, computed) => {
      const folder = join(fixtures, fixture!);
      const { module: model, weights, map } = await family.pretraining(folder);
      const expected = await openSafetensors(join(folder, "expected.safetensors"));
      const labels = (await expected.read("labels")).data as Int32Array;
      const width = (await expected.read("labels")).shape[1]!;
      // Labels are the tokens: a place is scored by the token after it, in its own row.
      const scored = [...labels.keys()].filter((place) => (place + 1) % width !== 0 && labels[place + 1] !== -100);
      const batch = await fixtureBatch(expected, { tokens: scored.length });
      await checkSteps(backend!, tolerance, {
        ...{ model, weights, map, batch, expected, noise },
        loss: (net, context, tensors: Tensors) => {
          const inputs = tensors as unknown as EncoderInputs;
          const places = constant(scored, "i32");
          const all = () => reshape(net.encoder.encode(context, inputs).lastHiddenState, [-1, net.encoder.hiddenSize]);
          const hidden =
            computed === "all places" ? gather(all(), places) : net.encoder.encodeAt(context, inputs, places);
          const next = constant(
            scored.map((place) => labels[place + 1]!),
            "i32",
          );
          const lm = sum(crossEntropy(net.causalLmLogits!(context, hidden), next));
          return { terms: { lm: { sum: lm, count: "tokens", weight: 1 } }, metrics: {} };
        },
      });
      await expected.close();
    });

    it.skipIf(missing !== undefined)(
      "the classifier: loss, gradients and three AdamW steps equal PyTorch's (bug: the last place instead of the last token)",
      async () => {
        const folder = join(fixtures, "sequence-classification");
        const { module: model, weights, map } = await family.classification(folder);
        const expected = await openSafetensors(join(folder, "expected.safetensors"));
        const batch = await fixtureBatch(expected, { sequences: 3 });
        const { data, shape } = batch.tensors.sequenceIds!;
        const [rows, width] = shape as [number, number];
        const last = Array.from({ length: rows }, (_, row) => data.lastIndexOf(1, (row + 1) * width - 1));
        await checkSteps(backend!, tolerance, {
          ...{ model, weights, map, batch, expected, noise },
          loss: (net, context, tensors: Tensors) => {
            const hidden = net.encoder.encodeAt(context, tensors as unknown as EncoderInputs, constant(last, "i32"));
            const logits = net.classificationLogits(context, net.encoder.pool(context, hidden));
            const loss = sum(crossEntropy(logits, tensors.labels!));
            return { terms: { loss: { sum: loss, count: "sequences", weight: 1 } }, metrics: {} };
          },
        });
        await expected.close();
      },
    );
  });
}
