import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { oneDnn } from "../../../tests/support/backends.ts";
import { randomWeights } from "../../../tests/support/random-model.ts";
import { tinyBart } from "../../../tests/support/tiny-bart.ts";
import { cyclicExamples, tinyTokenizer } from "../../../tests/support/tiny-run.ts";
import type { Backend } from "../../backend/backend.ts";
import { createOnnxBackend } from "../../backend/onnx/onnx-backend.ts";
import { evaluateGraph } from "../../backend/reference/evaluate.ts";
import { createReferenceBackend } from "../../backend/reference/reference-backend.ts";
import { Random } from "../../base/random.ts";
import type { HostTensor } from "../../ir/dtype.ts";
import { tensorType } from "../../ir/shape.ts";
import { attentionBias } from "../../nn/attention-bias.ts";
import { normal } from "../../nn/initializer.ts";
import { namedParameters } from "../../nn/module.ts";
import { denoising } from "../../objectives/denoising.ts";
import { adamW } from "../../optim/adamw.ts";
import { decompose } from "../../tensor/decompose/decompose.ts";
import { type Tensors, trace } from "../../tensor/trace.ts";
import { forwardContext } from "../../train/forward-graph.ts";
import { TrainStep } from "../../train/train-step.ts";
import { bartConfig, bartConfigTable } from "../bart/config.ts";
import type { PretrainingModel } from "../model.ts";
import { TransformerEncoder } from "./encoder.ts";

const init = normal(0.5);
const [numLayers, rate] = [3, 0.3];

function encoderWith(layerDrop: number): TransformerEncoder {
  const common = { hiddenSize: 4, layerNormEps: 1e-5, init };
  return new TransformerEncoder({
    embeddings: {
      ...{ ...common, vocabSize: 9, maxPositionEmbeddings: 5, typeVocabSize: 0, normalizes: true, dropout: 0 },
    },
    layers: {
      ...{ ...common, numHiddenLayers: numLayers, numAttentionHeads: 2, intermediateSize: 6, activation: "gelu" },
      ...{ normalization: "post", hiddenDropout: 0, attentionDropout: 0, layerDrop },
    },
  });
}

/** Hidden states of a training graph, what each layer would make of its input, and the last at two places, by key. */
function runner(layerDrop: number, isTraining: boolean) {
  const encoder = encoderWith(layerDrop);
  const parameters = namedParameters(encoder);
  const ids = tensorType("i32", [1, 5]);
  const types = {
    ...Object.fromEntries([...parameters].map(([name, { shape }]) => [`parameter.${name}`, tensorType("f32", shape)])),
    ...{ inputIds: ids, sequenceIds: ids, positionIds: ids, tokenTypeIds: ids, places: tensorType("i32", [2]) },
    ...(isTraining ? { randomKey: tensorType("u32", [2]) } : {}),
  };
  const graph = trace("stack", types, (symbols: Tensors) => {
    const inputs = symbols as never as Parameters<TransformerEncoder["encode"]>[1];
    const policy = { compute: "f32" } as const;
    const whole = encoder.encode(forwardContext(symbols, parameters, policy), inputs).hiddenStates;
    const context = forwardContext(symbols, parameters, policy);
    const bias = attentionBias({ sequenceIds: inputs.sequenceIds });
    return {
      ...Object.fromEntries(whole.map((x, i) => [`state.${i}`, x])),
      ...Object.fromEntries(
        encoder.layers.map((layer, i) => [`layer.${i}`, layer.apply(context, whole[i]!, { bias })]),
      ),
      // Contexts of their own, so that both draw the same keys.
      picked: encoder.encodeAt(forwardContext(symbols, parameters, policy), inputs, symbols.places!),
    };
  });
  const random = new Random(4);
  const row = (data: readonly number[]): HostTensor => ({
    dtype: "i32",
    shape: [data.length],
    data: Int32Array.from(data),
  });
  const grid = (data: readonly number[]): HostTensor => ({ ...row(data), shape: [1, 5] });
  const given: Record<string, HostTensor> = {
    ...Object.fromEntries(
      [...parameters].map(([name, { shape }]) => {
        const size = shape.reduce((product, dim) => product * dim, 1);
        const data = Float32Array.from({ length: size }, () => random.nextNormal());
        return [`parameter.${name}`, { dtype: "f32", shape, data } satisfies HostTensor];
      }),
    ),
    inputIds: grid([1, 7, 3, 2, 8]),
    sequenceIds: grid([1, 1, 1, 1, 1]),
    positionIds: grid([0, 1, 2, 3, 4]),
    tokenTypeIds: grid([0, 0, 0, 0, 0]),
    places: row([0, 3]),
  };
  const plain = decompose(graph);
  const names = plain.outputs.map(({ name }) => name);
  return (key: readonly [number, number]): Record<string, number[]> => {
    const data = Uint32Array.from(key);
    const named = { ...given, randomKey: { dtype: "u32", shape: [2], data } satisfies HostTensor };
    const outputs = evaluateGraph(
      plain,
      plain.inputs.map(({ name }) => named[name as keyof typeof named]!),
    );
    return Object.fromEntries(outputs.map(({ data: numbers }, i) => [names[i]!, [...(numbers as Float32Array)]]));
  };
}

test("a layer is whole or not there at all, each by a draw of its own at the rate given; at places as everywhere (bugs: one draw for all layers, a sum that is scaled, the opposite rate)", () => {
  const run = runner(rate, true);
  const trials = 160;
  const dropped = new Array<number>(numLayers).fill(0);
  let both = 0;
  for (let trial = 0; trial < trials; trial++) {
    const states = run([trial, 7]);
    const isDropped = dropped.map((_, i) => {
      const [before, applied, after] = [states[`state.${i}`]!, states[`layer.${i}`]!, states[`state.${i + 1}`]!];
      expect(applied).not.toEqual(before);
      const isLeftOut = after.every((x, at) => x === before[at]);
      if (!isLeftOut) expect(after).toEqual(applied);
      return isLeftOut;
    });
    isDropped.forEach((one, i) => {
      dropped[i]! += Number(one);
    });
    both += Number(isDropped[0]! && isDropped[1]!);
    const last = states[`state.${numLayers}`]!;
    expect(states.picked).toEqual([...last.slice(0, 4), ...last.slice(12, 16)]);
  }
  // Five standard deviations of the binomial distribution.
  const far = (p: number): number => 5 * Math.sqrt(trials * p * (1 - p));
  for (const count of dropped) expect(Math.abs(count - trials * rate)).toBeLessThan(far(rate));
  expect(Math.abs(both - trials * rate ** 2)).toBeLessThan(far(rate ** 2));
});

test("evaluation has all layers, and a rate of 0 draws nothing", () => {
  const evaluated = runner(rate, false)([0, 0]);
  for (let i = 0; i < numLayers; i++) expect(evaluated[`state.${i + 1}`]).toEqual(evaluated[`layer.${i}`]);
  const trained = runner(0, true)([5, 5]);
  expect(trained[`state.${numLayers}`]).toEqual(evaluated[`state.${numLayers}`]);
});

test("config.json names both rates as transformers does, and keeps them", async () => {
  const path = fileURLToPath(
    new URL("../../../tests/fixtures/bart/conditional-generation/config.json", import.meta.url),
  );
  const json = { ...JSON.parse(await readFile(path, "utf8")), encoder_layerdrop: 0.1, decoder_layerdrop: 0.2 };
  const { config, preserved } = bartConfigTable.parse(json, path);
  expect([config.encoderLayerdrop, config.decoderLayerdrop]).toEqual([0.1, 0.2]);
  expect(Object.keys(preserved)).not.toContain("encoder_layerdrop");
  expect(bartConfigTable.serialize(config)).toMatchObject({ encoder_layerdrop: 0.1, decoder_layerdrop: 0.2 });
  expect(bartConfig({ preset: "tiny" })).toMatchObject({ encoderLayerdrop: 0, decoderLayerdrop: 0 });
  expect(() => bartConfig({ preset: "tiny", encoderLayerdrop: 1 })).toThrow(/encoderLayerdrop.*0\.99.*got 1/);
});

test("BART trains with layers left out: other losses by step, the same again, in two lanes as in one, on every engine", async () => {
  const objective = denoising({ tokenizer: tinyTokenizer, maxSeqLength: 16 });
  const examples = cyclicExamples();
  const batch = objective.collate(
    Array.from({ length: 12 }, (_, item) => ({ example: examples.example(0, 0, item), epoch: 0, item })),
    3,
  );
  const [reference, onnx] = [createReferenceBackend(), await createOnnxBackend({ binding: "c-api", threads: 2 })];
  const module = tinyBart({ encoderLayerdrop: 0.5, decoderLayerdrop: 0.5 });
  const weights = randomWeights(module);
  const run = async (backend: Backend, lanes: number, noDrop = false) => {
    const step = await TrainStep.create<PretrainingModel>({
      backend,
      model: noDrop ? tinyBart() : module,
      weights,
      loss: objective.loss as never,
      optimizer: adamW(),
      treatment: () => ({ learningRateScale: 1, weightDecay: 0 }),
      maxGradNorm: 1,
      policy: { compute: "f32" },
      accumulates: false,
      seed: 2,
      lanes,
    });
    const figures = [];
    for (let number = 1; number <= 8; number++) {
      const { loss, gradientNorm } = await step.run([batch], number, 0);
      figures.push(loss, gradientNorm);
    }
    await step.dispose();
    return figures;
  };
  const one = await run(reference, 1);
  // Two layers in each stack: several of the sixteen networks are met in eight steps, and no others.
  expect(new Set(one).size).toBeGreaterThan(6);
  expect(new Set(one.filter((_, i) => i % 2 === 0)).size).toBeLessThanOrEqual(16);
  expect(new Set(await run(reference, 1, true)).size).toBe(2);
  const third = oneDnn.missing === undefined ? await oneDnn.open() : undefined;
  const others = [[reference, 2], [onnx, 1], [onnx, 2], ...(third === undefined ? [] : [[third, 1] as const])] as const;
  for (const [backend, lanes] of others) {
    const other = await run(backend, lanes);
    other.forEach((x, i) => {
      expect(Math.abs(x / one[i]! - 1)).toBeLessThan(1e-4);
    });
  }
  await third?.dispose();
  await onnx.dispose();
  await reference.dispose();
});
