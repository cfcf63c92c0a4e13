import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { openSafetensors, type TensorFile } from "../../src/formats/safetensors.ts";
import { bartFamily } from "../../src/models/bart/family.ts";
import type { BartForConditionalGeneration } from "../../src/models/bart/model.ts";
import type { EncoderInputs, EncoderOutputs, LayerCache } from "../../src/models/model.ts";
import type { KeyValue } from "../../src/nn/layers.ts";
import type { Weights } from "../../src/nn/weights.ts";
import { constant } from "../../src/tensor/elementwise.ts";
import { crossEntropy } from "../../src/tensor/fused.ts";
import { concatenate, gather, reshape, sliceAxis } from "../../src/tensor/movement.ts";
import { sum } from "../../src/tensor/reduction.ts";
import type { Tensors } from "../../src/tensor/trace.ts";
import { BatchProgram } from "../../src/train/batch-program.ts";
import { traceForward } from "../../src/train/forward-graph.ts";
import { ModelStore } from "../../src/train/model-store.ts";
import { engines } from "../support/backends.ts";
import { relativeDifference } from "../support/close.ts";
import { checkSteps } from "../support/parity-steps.ts";

const fixtures = fileURLToPath(new URL("../fixtures/bart/", import.meta.url));
const rows = 3;
/** Softmax ignores what the key bias adds: its gradient is rounding noise around 0. */
const noise = /k_proj\.bias$/;

const positions = (width: number) => Int32Array.from({ length: rows * width }, (_, i) => i % width);

/** The fixture's padded rows as our packed batch of one sequence a row. */
async function fixtureBatch(expected: TensorFile, counts: Batch["counts"]): Promise<Batch> {
  const read = async (name: string) => {
    const { data, shape } = await expected.read(name);
    return { dtype: "i32" as const, shape, data: data as Int32Array };
  };
  const inputIds = await read("input_ids");
  const side = (shape: readonly number[]) => ({ dtype: "i32" as const, shape, data: positions(shape[1]!) });
  const sourcePlaces = side(inputIds.shape);
  const target = expected.has("decoder_input_ids")
    ? {
        targetInputIds: await read("decoder_input_ids"),
        targetSequenceIds: await read("decoder_attention_mask"),
        targetPositionIds: side((await read("decoder_input_ids")).shape),
      }
    : {};
  const tensors = {
    inputIds,
    sequenceIds: await read("attention_mask"),
    positionIds: sourcePlaces,
    tokenTypeIds: { ...sourcePlaces, data: new Int32Array(sourcePlaces.data.length) },
    ...target,
    labels: await read("labels"),
  };
  return { tensors, counts, numSequences: rows, numTokens: 0, numPlaces: inputIds.data.length };
}

/** The decoder's side of a batch as it takes it. */
function targetInputs(batch: Tensors): EncoderInputs {
  const { targetInputIds, targetSequenceIds, targetPositionIds } = batch;
  return {
    inputIds: targetInputIds!,
    sequenceIds: targetSequenceIds!,
    positionIds: targetPositionIds!,
    tokenTypeIds: targetPositionIds!,
  };
}

/** Numbers of a forward computation. */
async function forward(
  backend: Backend,
  model: BartForConditionalGeneration,
  weights: Weights,
  batch: Batch,
  run: (...given: Parameters<Parameters<typeof traceForward>[3]>) => Tensors,
) {
  const store = new ModelStore(backend, model, ["value"]);
  store.write("value", weights);
  const trace = (given: Batch) => traceForward(store.parameters, given, { compute: "f32" }, run);
  const program = new BatchProgram({ backend, store, trace });
  const results = await program.run(batch);
  await program.dispose();
  store.dispose();
  return results as Readonly<Record<string, Float32Array>>;
}

/** Keys and values of a layer, kept inside one graph. */
class HeldLayer implements LayerCache {
  private blocks: readonly KeyValue[] = [];
  private sourceOnce: KeyValue | undefined;
  private readonly isJoined: boolean;

  constructor(isJoined: boolean) {
    this.isJoined = isJoined;
  }

  self(fresh: KeyValue): readonly KeyValue[] {
    const all = [...this.blocks, fresh];
    const joined = {
      key: concatenate(
        all.map(({ key }) => key),
        1,
      ),
      value: concatenate(
        all.map(({ value }) => value),
        1,
      ),
    };
    this.blocks = this.isJoined ? [joined] : all;
    return this.blocks;
  }

  source(compute: () => KeyValue): KeyValue {
    this.sourceOnce ??= compute();
    return this.sourceOnce;
  }
}

describe.each(engines)("BART on $title", ({ open, tolerance, missing }) => {
  let backend: Backend | undefined;
  beforeAll(async () => {
    if (missing === undefined) backend = await open();
  });
  afterAll(async () => {
    await backend?.dispose();
  });

  const writers = ["conditional-generation", "scaled-relu"];

  it.skipIf(missing !== undefined).each(writers)(
    "%s: the states of every layer and the logits equal PyTorch's (bug: positions, scale, or a source of other rows)",
    async (fixture) => {
      const folder = join(fixtures, fixture);
      const { module: model, weights, config } = await bartFamily.loadPretraining(folder, 0);
      const expected = await openSafetensors(join(folder, "expected.safetensors"));
      const batch = await fixtureBatch(expected, {});
      const results = await forward(backend!, model, weights, batch, (context, tensors) => {
        const source = model.encoder.encode(context, tensors as unknown as EncoderInputs);
        const states = { states: source.lastHiddenState, sequenceIds: tensors.sequenceIds! };
        const target = model.decoder.decode(context, targetInputs(tensors), states);
        const named = (stack: string, { hiddenStates }: EncoderOutputs) =>
          hiddenStates.map((state, i) => [`${stack}_hidden_states.${i}`, state] as const);
        const hidden = reshape(target.lastHiddenState, [-1, config.hiddenSize]);
        const logits = model.causalLmLogits(context, hidden);
        return { ...Object.fromEntries([...named("encoder", source), ...named("decoder", target)]), logits };
      });
      const compared = expected.names.filter((name) => /hidden_states|^logits/.test(name));
      expect(compared).toHaveLength(config.numHiddenLayers + config.numDecoderLayers + 3);
      for (const name of compared) {
        const { data, shape } = await expected.read(name);
        const mask = batch.tensors[name.startsWith("encoder") ? "sequenceIds" : "targetSequenceIds"]!.data;
        // PyTorch's padding sees other tokens than ours, and nothing reads either.
        const size = shape[2]!;
        const real = (all: ArrayLike<number>) =>
          Array.from(all as Float32Array).filter((_, i) => mask[Math.floor(i / size)] === 1);
        expect(relativeDifference(real(results[name]!), real(data as Float32Array)), name).toBeLessThan(tolerance);
      }
      await expected.close();
    },
  );

  it.skipIf(missing !== undefined).each(["joined", "in blocks"])(
    "decoding token by token with keys and values kept %s equals PyTorch's (bug: a source looked at anew, places that restart)",
    async (kept) => {
      const folder = join(fixtures, "conditional-generation");
      const { module: model, weights, config } = await bartFamily.loadPretraining(folder, 0);
      const expected = await openSafetensors(join(folder, "expected.safetensors"));
      const batch = await fixtureBatch(expected, {});
      const decoded = await expected.read("decoded");
      const results = await forward(backend!, model, weights, batch, (context, tensors) => {
        const third = Object.fromEntries(
          Object.entries(tensors).map(([name, tensor]) => [name, sliceAxis(tensor, 0, 2, 3)]),
        );
        const { lastHiddenState } = model.encoder.encode(context, third as unknown as EncoderInputs);
        const caches = Array.from({ length: config.numDecoderLayers }, () => new HeldLayer(kept === "joined"));
        const target = targetInputs(third);
        const hidden = Array.from({ length: decoded.shape[1]! }, (_, place) => {
          const between = (from: number, to: number): EncoderInputs => ({
            inputIds: sliceAxis(target.inputIds, 1, from, to),
            sequenceIds: sliceAxis(target.sequenceIds, 1, from, to),
            positionIds: sliceAxis(target.positionIds, 1, from, to),
            tokenTypeIds: sliceAxis(target.tokenTypeIds, 1, from, to),
          });
          const before = place === 0 ? undefined : between(0, place);
          const past = before && { sequenceIds: before.sequenceIds, attentionRanks: before.positionIds };
          // What the source gives is computed with the first token.
          const source = { states: place === 0 ? lastHiddenState : undefined, sequenceIds: third.sequenceIds! };
          const step = model.decoder.decode(context, between(place, place + 1), source, { tokens: past, caches });
          return reshape(step.lastHiddenState, [1, config.hiddenSize]);
        });
        return { logits: model.causalLmLogits(context, concatenate(hidden, 0)) };
      });
      expect(relativeDifference(results.logits!, decoded.data as Float32Array)).toBeLessThan(tolerance);
      await expected.close();
    },
  );

  it.skipIf(missing !== undefined).each(
    writers.flatMap((name) => [
      [name, "all places"],
      [name, "the places read"],
    ]),
  )("%s, last layer at %s: losses, gradients and three AdamW steps equal PyTorch's", async (fixture, computed) => {
    const folder = join(fixtures, fixture!);
    const { module: model, weights, config } = await bartFamily.loadPretraining(folder, 0);
    const expected = await openSafetensors(join(folder, "expected.safetensors"));
    const labels = (await expected.read("labels")).data as Int32Array;
    const scored = [...labels.keys()].filter((place) => labels[place] !== -100);
    const batch = await fixtureBatch(expected, { tokens: scored.length });
    await checkSteps(backend!, tolerance, {
      ...{ model, weights, batch, expected, noise },
      map: bartFamily.weightMap(config),
      loss: (net, context, tensors) => {
        const source = net.encoder.encode(context, tensors as unknown as EncoderInputs);
        const states = { states: source.lastHiddenState, sequenceIds: tensors.sequenceIds! };
        const places = constant(scored, "i32");
        const hidden =
          computed === "the places read"
            ? net.decoder.decodeAt(context, targetInputs(tensors), states, places)
            : gather(
                reshape(net.decoder.decode(context, targetInputs(tensors), states).lastHiddenState, [
                  -1,
                  config.hiddenSize,
                ]),
                places,
              );
        const own = gather(reshape(tensors.labels!, [-1]), places);
        const lm = sum(crossEntropy(net.causalLmLogits(context, hidden), own));
        return { terms: { lm: { sum: lm, count: "tokens", weight: 1 } }, metrics: {} };
      },
    });
    await expected.close();
  });

  it.skipIf(missing !== undefined)(
    "the classifier: loss, gradients and three AdamW steps equal PyTorch's",
    async () => {
      const folder = join(fixtures, "sequence-classification");
      const { module: model, weights, config } = await bartFamily.loadClassification(folder, 0, 3);
      const expected = await openSafetensors(join(folder, "expected.safetensors"));
      const batch = await fixtureBatch(expected, { sequences: rows });
      const [width] = batch.tensors.inputIds!.shape.slice(1) as [number];
      const { data } = batch.tensors.sequenceIds!;
      const lastPlaces = Array.from({ length: rows }, (_, row) => data.lastIndexOf(1, (row + 1) * width - 1));
      await checkSteps(backend!, tolerance, {
        ...{ model, weights, batch, expected, noise },
        map: bartFamily.weightMap(config),
        loss: (net, context, tensors) => {
          const places = constant(lastPlaces, "i32");
          const last = net.encoder.encodeAt(context, tensors as unknown as EncoderInputs, places);
          const logits = net.classificationLogits(context, net.encoder.pool(context, last));
          const loss = sum(crossEntropy(logits, tensors.labels!));
          return { terms: { loss: { sum: loss, count: "sequences", weight: 1 } }, metrics: {} };
        },
      });
      await expected.close();
    },
  );
});
