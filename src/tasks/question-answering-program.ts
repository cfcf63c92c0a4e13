/** @file Scores of many windows by a network whose weights lie in an engine. */
import type { TokenModel } from "../models/model.ts";
import type { EndScores } from "./answer-span.ts";
import type { AnswerWindow } from "./answer-window.ts";
import type { TextBatchOptions } from "./classification-batch.ts";
import { answerScores } from "./question-answering.ts";
import { TextProgram, type TextProgramPlace } from "./text-program.ts";

export interface QuestionAnsweringProgramOptions
  extends TextProgramPlace,
    Pick<TextBatchOptions, "maxSeqLength" | "padId"> {
  readonly model: TokenModel;
  /** Windows of 128 tokens computed together. */
  readonly batchSize: number;
  /** True by default. */
  readonly packed?: boolean;
}

/** Runs a network without dropout over any number of windows. */
export class QuestionAnsweringProgram {
  private readonly program: TextProgram;

  constructor({ model, batchSize, maxSeqLength, padId, packed = true, ...place }: QuestionAnsweringProgramOptions) {
    this.program = new TextProgram({
      ...place,
      plan: { batchSize, maxSeqLength, padId, packed, hiddenSize: model.encoder.hiddenSize },
      forward: (context, batch) => {
        const { starts, ends } = answerScores(model, context, batch);
        return { starts, ends };
      },
    });
  }

  /** Scores of every place of every window. A second call waits for the first. */
  scores(windows: readonly AnswerWindow[]): Promise<EndScores[]> {
    return this.program.run(windows, ({ outputs, batch, texts }) => {
      const { firstTokens } = batch.tensors;
      const [starts, ends] = [outputs.starts as Float32Array, outputs.ends as Float32Array];
      return texts.map(({ tokens }, i) => {
        const first = firstTokens!.data[i]!;
        return { starts: starts.slice(first, first + tokens.length), ends: ends.slice(first, first + tokens.length) };
      });
    });
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}
