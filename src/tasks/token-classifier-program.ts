/** @file Scores of the words of many sentences by a tagger whose weights lie in an engine. */
import type { EncoderInputs, TokenModel } from "../models/model.ts";
import { reshape } from "../tensor/movement.ts";
import type { TextBatchOptions } from "./classification-batch.ts";
import type { TaggingWindow } from "./tagging-data.ts";
import { TextProgram, type TextProgramPlace } from "./text-program.ts";

export interface TokenClassifierProgramOptions
  extends TextProgramPlace,
    Pick<TextBatchOptions, "maxSeqLength" | "padId"> {
  readonly model: TokenModel;
  /** Windows of 128 tokens computed together; more where they are shorter. */
  readonly batchSize: number;
  /** True by default. */
  readonly packed?: boolean;
}

/** Runs a tagger without dropout over any number of windows. */
export class TokenClassifierProgram {
  private readonly program: TextProgram;
  private readonly numLabels: number;

  constructor({ model, batchSize, maxSeqLength, padId, packed = true, ...place }: TokenClassifierProgramOptions) {
    this.numLabels = model.numOutputs;
    const { hiddenSize } = model.encoder;
    this.program = new TextProgram({
      ...place,
      plan: { batchSize, maxSeqLength, padId, packed, hiddenSize },
      forward: (context, batch) => {
        const { lastHiddenState } = model.encoder.encode(context, batch as unknown as EncoderInputs);
        return { logits: model.tokenLogits(context, reshape(lastHiddenState, [-1, hiddenSize])) };
      },
    });
  }

  /** For each window the scores `[numLabels]` of its words. A second call waits for the first. */
  logits(windows: readonly TaggingWindow[]): Promise<Float32Array[][]> {
    const { numLabels } = this;
    return this.program.run(windows, ({ outputs, batch, texts }) => {
      const logits = outputs.logits as Float32Array;
      const starts = batch.tensors.firstTokens!.data;
      return (texts as readonly TaggingWindow[]).map(({ places }, i) =>
        Array.from(places, (place) => {
          const at = (starts[i]! + place) * numLabels;
          return logits.slice(at, at + numLabels);
        }),
      );
    });
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}
