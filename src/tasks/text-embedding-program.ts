/** @file Vectors of many texts by an encoder whose weights lie in an engine. */
import type { Backend } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import type { Encoder, EncoderInputs } from "../models/model.ts";
import { reshape } from "../tensor/movement.ts";
import type { Tensors } from "../tensor/trace.ts";
import { BatchProgram } from "../train/batch-program.ts";
import type { ParameterSource } from "../train/fixed-weights.ts";
import { type DTypePolicy, traceForward } from "../train/forward-graph.ts";
import type { EncodedText } from "./encode-text.ts";
import { type Pooling, pool } from "./pooling.ts";
import { plannedTextBatches } from "./text-classifier-program.ts";

export interface TextEmbeddingProgramOptions {
  readonly backend: Backend;
  readonly store: ParameterSource;
  readonly encoder: Encoder;
  /** Layers that are run: 0 gives the embeddings, `numHiddenLayers` the last hidden states. */
  readonly layer: number;
  readonly pooling: Pooling;
  readonly batchSize: number;
  readonly maxSeqLength: number;
  readonly padId: number;
  readonly policy: DTypePolicy;
}

/** Runs an encoder without dropout over any number of texts, in packed rows. */
export class TextEmbeddingProgram {
  private readonly options: TextEmbeddingProgramOptions;
  private readonly program: BatchProgram;
  private last: Promise<unknown> = Promise.resolve();

  constructor(options: TextEmbeddingProgramOptions) {
    const { backend, store, encoder, layer, pooling, policy } = options;
    this.options = options;
    // The first token alone needs no other place of the last layer.
    const firstOnly = pooling === "cls" && layer === encoder.numHiddenLayers;
    this.program = new BatchProgram({
      backend,
      store,
      fixed: ({ numPlaces }) => store.fixedFor?.(numPlaces),
      trace: (batch) =>
        traceForward(
          store.parameters,
          batch,
          policy,
          (context, symbols: Tensors) => {
            const inputs = symbols as unknown as EncoderInputs;
            if (firstOnly) return { first: encoder.encodeAt(context, inputs, symbols.firstTokens!) };
            const hidden = encoder.encode(context, inputs).hiddenStates[layer]!;
            return { hidden: reshape(hidden, [-1, encoder.hiddenSize]) };
          },
          store.quantized,
        ),
    });
  }

  /** Vectors in the order of the texts, each `[H]`. A second call waits for the first. */
  embed(texts: readonly EncodedText[]): Promise<Float32Array[]> {
    const result = this.last.then(() => this.compute(texts));
    this.last = result.catch(() => undefined);
    return result;
  }

  private async compute(texts: readonly EncodedText[]): Promise<Float32Array[]> {
    const { batchSize, maxSeqLength, padId, encoder } = this.options;
    const results = new Array<Float32Array>(texts.length);
    const options = { batchSize, maxSeqLength, padId, packed: true, hiddenSize: encoder.hiddenSize };
    for (const { batch, items } of plannedTextBatches(texts, options)) {
      const vectors = this.pooled(
        batch,
        await this.program.run(batch),
        items.map((item) => texts[item]!.tokens.length),
      );
      items.forEach((item, i) => {
        results[item] = vectors[i]!;
      });
    }
    return results;
  }

  /** One vector for each text of a batch. */
  private pooled(
    batch: Batch,
    outputs: Readonly<Record<string, ArrayLike<number>>>,
    lengths: readonly number[],
  ): Float32Array[] {
    const { pooling, encoder } = this.options;
    const size = encoder.hiddenSize;
    const { first, hidden } = outputs as Readonly<Record<string, Float32Array>>;
    const starts = batch.tensors.firstTokens!.data;
    return lengths.map((length, i) => {
      if (first !== undefined) return pool(first, size, [i, i + 1], "cls");
      return pool(hidden!, size, [starts[i]!, starts[i]! + length], pooling);
    });
  }

  async dispose(): Promise<void> {
    await this.last;
    await this.program.dispose();
  }
}
