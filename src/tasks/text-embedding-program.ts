/** @file Vectors of many texts by an encoder whose weights lie in an engine. */
import type { Encoder, EncoderInputs } from "../models/model.ts";
import { reshape } from "../tensor/movement.ts";
import type { TextBatchOptions } from "./classification-batch.ts";
import type { EncodedText } from "./encode-text.ts";
import { pool, type TokenPooling } from "./pooling.ts";
import { type TextOutputs, TextProgram, type TextProgramPlace } from "./text-program.ts";

export interface TextEmbeddingProgramOptions
  extends TextProgramPlace,
    Pick<TextBatchOptions, "maxSeqLength" | "padId"> {
  readonly encoder: Encoder;
  /** Whose output is taken: 0 the embeddings', `numHiddenLayers` the last layer's; of several their vectors one behind the other. */
  readonly layer: number | readonly number[];
  /** How tokens become one vector; several are put one behind the other, for each layer. */
  readonly pooling: TokenPooling | readonly TokenPooling[];
  /** Texts of 128 tokens computed together; more where they are shorter. */
  readonly batchSize: number;
}

/** Runs an encoder without dropout over any number of texts, in packed rows. */
export class TextEmbeddingProgram {
  private readonly program: TextProgram;
  private readonly poolings: readonly TokenPooling[];
  private readonly layers: readonly number[];
  private readonly size: number;

  constructor(options: TextEmbeddingProgramOptions) {
    const { encoder, layer, pooling, batchSize, maxSeqLength, padId, ...place } = options;
    this.poolings = [pooling].flat();
    this.layers = [layer].flat();
    this.size = encoder.hiddenSize;
    // The first token alone needs no other place of the last layer.
    const isFirst = this.poolings.length === 1 && this.poolings[0] === "cls";
    const firstOnly = isFirst && this.layers.length === 1 && this.layers[0] === encoder.numHiddenLayers;
    this.program = new TextProgram({
      ...place,
      plan: { batchSize, maxSeqLength, padId, packed: true, hiddenSize: encoder.hiddenSize },
      forward: (context, batch) => {
        const inputs = batch as unknown as EncoderInputs;
        if (firstOnly) return { first: encoder.encodeAt(context, inputs, batch.firstTokens!) };
        const { hiddenStates } = encoder.encode(context, inputs);
        const flat = this.layers.map((own) => reshape(hiddenStates[own]!, [-1, encoder.hiddenSize]));
        return Object.fromEntries(flat.map((hidden, i) => [`hidden.${i}`, hidden]));
      },
    });
  }

  /** Vectors in the order of the texts, each `[layers · poolings · H]`. A second call waits for the first. */
  embed(texts: readonly EncodedText[]): Promise<Float32Array[]> {
    return this.program.run(texts, (done) => this.pooled(done));
  }

  /** One vector for each text of a batch. */
  private pooled({ outputs, batch, texts }: TextOutputs): Float32Array[] {
    const found = outputs as Readonly<Record<string, Float32Array>>;
    const { first } = found;
    const starts = batch.tensors.firstTokens!.data;
    return texts.map(({ tokens }, i) => {
      if (first !== undefined) return pool(first, this.size, [i, i + 1], "cls");
      const range = [starts[i]!, starts[i]! + tokens.length] as const;
      const parts = this.layers.flatMap((_, at) =>
        this.poolings.map((pooling) => pool(found[`hidden.${at}`]!, this.size, range, pooling)),
      );
      return parts.length === 1 ? parts[0]! : joined(parts, this.size);
    });
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}

/** Vectors of one size as one. */
function joined(parts: readonly Float32Array[], size: number): Float32Array {
  const whole = new Float32Array(parts.length * size);
  parts.forEach((part, i) => {
    whole.set(part, i * size);
  });
  return whole;
}
