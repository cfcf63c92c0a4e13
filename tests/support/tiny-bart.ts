/** @file An encoder–decoder small enough for tests, and runs of loss and logits through it. */
import type { Backend } from "../../src/backend/backend.ts";
import type { Batch } from "../../src/data/batch.ts";
import { type BartConfigInput, bartConfig } from "../../src/models/bart/config.ts";
import { BartForConditionalGeneration } from "../../src/models/bart/model.ts";
import type { Module } from "../../src/nn/module.ts";
import type { Weights } from "../../src/nn/weights.ts";
import type { Tensors } from "../../src/tensor/trace.ts";
import { BatchProgram } from "../../src/train/batch-program.ts";
import { traceForward } from "../../src/train/forward-graph.ts";
import { ModelStore } from "../../src/train/model-store.ts";
import { tinyTokenizer } from "./tiny-run.ts";

export function tinyBart(settings: BartConfigInput = {}): BartForConditionalGeneration {
  const { cls = 0, sep = 0, pad } = tinyTokenizer.special;
  return new BartForConditionalGeneration(
    bartConfig({
      vocabSize: tinyTokenizer.vocabSize,
      hiddenSize: 16,
      numHiddenLayers: 2,
      numAttentionHeads: 2,
      intermediateSize: 24,
      numDecoderLayers: 2,
      numDecoderAttentionHeads: 2,
      decoderIntermediateSize: 24,
      maxPositionEmbeddings: 32,
      hiddenDropoutProb: 0,
      padTokenId: pad,
      bosTokenId: cls,
      eosTokenId: sep,
      decoderStartTokenId: sep,
      forcedEosTokenId: sep,
      ...settings,
    }),
  );
}

/** Outputs of a forward computation, by name. */
export async function runForward(
  backend: Backend,
  module: Module,
  weights: Weights,
  batch: Batch,
  run: (...given: Parameters<Parameters<typeof traceForward>[3]>) => Tensors,
): Promise<Readonly<Record<string, Float32Array>>> {
  const store = new ModelStore(backend, module, ["value"]);
  store.write("value", weights);
  const trace = (given: Batch) => traceForward(store.parameters, given, { compute: "f32" }, run);
  const program = new BatchProgram({ backend, store, trace });
  try {
    return (await program.run(batch)) as Readonly<Record<string, Float32Array>>;
  } finally {
    await program.dispose();
    store.dispose();
  }
}
