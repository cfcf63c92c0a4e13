/** @file Vectors of many texts by an encoder whose weights lie in an engine. */
import type { Encoder, EncoderInputs } from "../models/model.ts";
import { reshape } from "../tensor/movement.ts";
import type { TextBatchOptions } from "./classification-batch.ts";
import type { EncodedText } from "./encode-text.ts";
import { type Pooling, pool } from "./pooling.ts";
import { type TextOutputs, TextProgram, type TextProgramPlace } from "./text-program.ts";

export interface TextEmbeddingProgramOptions
  extends TextProgramPlace,
    Pick<TextBatchOptions, "maxSeqLength" | "padId"> {
  readonly encoder: Encoder;
  /** Layers that are run: 0 gives the embeddings, `numHiddenLayers` the last hidden states. */
  readonly layer: number;
  readonly pooling: Pooling;
  /** Texts of 128 tokens computed together; more where they are shorter. */
  readonly batchSize: number;
}

/** Runs an encoder without dropout over any number of texts, in packed rows. */
export class TextEmbeddingProgram {
  private readonly program: TextProgram;
  private readonly pooling: Pooling;
  private readonly size: number;

  constructor(options: TextEmbeddingProgramOptions) {
    const { encoder, layer, pooling, batchSize, maxSeqLength, padId, ...place } = options;
    this.pooling = pooling;
    this.size = encoder.hiddenSize;
    // The first token alone needs no other place of the last layer.
    const firstOnly = pooling === "cls" && layer === encoder.numHiddenLayers;
    this.program = new TextProgram({
      ...place,
      plan: { batchSize, maxSeqLength, padId, packed: true, hiddenSize: encoder.hiddenSize },
      forward: (context, batch) => {
        const inputs = batch as unknown as EncoderInputs;
        if (firstOnly) return { first: encoder.encodeAt(context, inputs, batch.firstTokens!) };
        const hidden = encoder.encode(context, inputs).hiddenStates[layer]!;
        return { hidden: reshape(hidden, [-1, encoder.hiddenSize]) };
      },
    });
  }

  /** Vectors in the order of the texts, each `[H]`. A second call waits for the first. */
  embed(texts: readonly EncodedText[]): Promise<Float32Array[]> {
    return this.program.run(texts, (done) => this.pooled(done));
  }

  /** One vector for each text of a batch. */
  private pooled({ outputs, batch, texts }: TextOutputs): Float32Array[] {
    const { first, hidden } = outputs as Readonly<Record<string, Float32Array>>;
    const starts = batch.tensors.firstTokens!.data;
    return texts.map(({ tokens }, i) => {
      if (first !== undefined) return pool(first, this.size, [i, i + 1], "cls");
      return pool(hidden!, this.size, [starts[i]!, starts[i]! + tokens.length], this.pooling);
    });
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}
