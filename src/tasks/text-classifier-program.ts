/** @file Scores of many texts by a classifier whose weights lie in an engine. */
import type { ClassificationModel } from "../models/model.ts";
import type { TextBatchOptions } from "./classification-batch.ts";
import type { EncodedText } from "./encode-text.ts";
import { classificationLogits } from "./text-classification.ts";
import { TextProgram, type TextProgramPlace } from "./text-program.ts";

export interface TextClassifierProgramOptions
  extends TextProgramPlace,
    Pick<TextBatchOptions, "maxSeqLength" | "padId"> {
  readonly model: ClassificationModel;
  /** Texts of 128 tokens computed together; more where they are shorter. */
  readonly batchSize: number;
  /** True by default. */
  readonly packed?: boolean;
}

/** Runs a classifier without dropout over any number of texts. */
export class TextClassifierProgram {
  private readonly program: TextProgram;
  private readonly numLabels: number;

  constructor({ model, batchSize, maxSeqLength, padId, packed = true, ...place }: TextClassifierProgramOptions) {
    this.numLabels = model.numLabels;
    this.program = new TextProgram({
      ...place,
      plan: {
        ...{ batchSize, maxSeqLength, padId, packed, hiddenSize: model.encoder.hiddenSize },
        marksSecond: model.pairLogits !== undefined,
      },
      forward: (context, batch) => ({ logits: classificationLogits(model, context, batch) }),
    });
  }

  /** Scores in the order of the texts, each `[numLabels]`. A second call waits for the first. */
  logits(texts: readonly EncodedText[]): Promise<Float32Array[]> {
    const { numLabels } = this;
    return this.program.run(texts, ({ outputs, texts: own }) => {
      const logits = outputs.logits as Float32Array;
      return own.map((_, row) => logits.slice(row * numLabels, (row + 1) * numLabels));
    });
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}
