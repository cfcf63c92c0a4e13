/** @file Small models of several families, and what they compute, for tests of adapters. */
import type { Backend } from "../../backend/backend.ts";
import { Random } from "../../base/random.ts";
import type { Batch } from "../../data/batch.ts";
import { type Module, namedParameters } from "../../nn/module.ts";
import type { Weights } from "../../nn/weights.ts";
import { BatchProgram } from "../../train/batch-program.ts";
import { traceForward } from "../../train/forward-graph.ts";
import { ModelStore } from "../../train/model-store.ts";
import { familyNamed } from "../families.ts";
import type { ModelFamily } from "../family.ts";
import type { Encoder, EncoderInputs } from "../model.ts";

/** Odd sizes, so that no transposed matrix fits by accident; no dropout. */
export const tinySettings: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  bert: { intermediateSize: 20 },
  roberta: { intermediateSize: 20 },
  albert: { intermediateSize: 20, embeddingSize: 7 },
  gpt2: { intermediateSize: 20 },
  "openai-gpt": {},
  bart: { intermediateSize: 20, decoderIntermediateSize: 28, numDecoderLayers: 2 },
};

export const tinyFamilies = Object.keys(tinySettings);

/** A configuration of 37 words, two layers and width 12. */
export function tinyConfig(name: string): { readonly family: ModelFamily; readonly config: unknown } {
  const family = familyNamed(name);
  const sizes = { vocabSize: 37, hiddenSize: 12, numHiddenLayers: 2, numAttentionHeads: 3, maxPositionEmbeddings: 16 };
  const dropout = { hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };
  const ids = name === "gpt2" ? { bosTokenId: 1, eosTokenId: 2 } : {};
  return { family, config: family.configure({ ...sizes, ...dropout, ...ids, ...tinySettings[name] }) };
}

/** Numbers large enough that everything has an effect, biases and adapters included. */
export function randomNumbers(module: Module, seed = 3, deviation = 0.3): Weights {
  const random = new Random(seed, "numbers");
  return new Map(
    [...namedParameters(module)].map(([name, { shape }]) => {
      const length = shape.reduce((product, dim) => product * dim, 1);
      return [name, Float32Array.from({ length }, () => deviation * random.nextNormal())] as const;
    }),
  );
}

/** Two rows of six tokens, the second with padding. */
export function tinyBatch(): Batch {
  const ids = [5, 9, 30, 12, 7, 3, 8, 22, 36, 3, 0, 0];
  const tensors = {
    inputIds: ids,
    sequenceIds: ids.map((id) => (id === 0 ? 0 : 1)),
    positionIds: ids.map((_, i) => i % 6),
    tokenTypeIds: ids.map(() => 0),
  };
  const i32 = (data: readonly number[]) => ({ dtype: "i32" as const, shape: [2, 6], data: Int32Array.from(data) });
  return {
    tensors: Object.fromEntries(Object.entries(tensors).map(([name, data]) => [name, i32(data)])),
    counts: {},
    numSequences: 2,
    numTokens: 10,
    numPlaces: 12,
  };
}

/** The last hidden states of the tiny batch's real tokens, `[10, 12]`. */
export async function hiddenStates(
  backend: Backend,
  module: Module & { readonly encoder: Encoder },
  weights: Weights,
): Promise<Float32Array> {
  const store = new ModelStore(backend, module, ["value"]);
  store.write("value", weights);
  const program = new BatchProgram({
    backend,
    store,
    trace: (batch) =>
      traceForward(store.parameters, batch, { compute: "f32" }, (context, tensors) => {
        const encoder = "network" in module ? (module.network as Encoder) : module.encoder;
        return { hidden: encoder.encode(context, tensors as unknown as EncoderInputs).lastHiddenState };
      }),
  });
  try {
    const { hidden } = await program.run(tinyBatch());
    return (hidden as Float32Array).slice(0, 10 * 12);
  } finally {
    await program.dispose();
    store.dispose();
  }
}
