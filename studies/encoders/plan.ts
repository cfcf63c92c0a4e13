/** What the study trains: one encoder a language, by predicting next words. */
import { join } from "node:path";
import type { TextSource } from "../../src/data/source.ts";
import { chineseText } from "./chinese.ts";
import { englishText } from "./english.ts";

export interface EncoderPlan {
  readonly name: string;
  readonly text: (data: string) => { readonly train: TextSource; readonly eval: TextSource };
  readonly vocabSize: number;
  /** Most single characters in the vocabulary. */
  readonly limitAlphabet: number;
  readonly steps: number;
}

/** The same for all. */
export const training = { maxSeqLength: 128, batchSize: 16, learningRate: 1e-3, warmupSteps: 300 } as const;

export const plans: readonly EncoderPlan[] = [
  { name: "english", text: englishText, vocabSize: 8192, limitAlphabet: 1000, steps: 10_000 },
  { name: "chinese", text: chineseText, vocabSize: 8192, limitAlphabet: 6500, steps: 4000 },
];

/** What a finished pre-training says of itself. */
export interface EncoderSummary {
  readonly plan: string;
  readonly engine: string;
  readonly vocabSize: number;
  readonly trainTokens: number;
  /** Nats a token of the held-out text when only its frequency is known. */
  readonly unigramEntropy: number;
  readonly steps: number;
  /** Held-out text, nats a token. */
  readonly evalLoss: number;
}

export const folderOf = ({ name }: EncoderPlan): string => join("runs", "encoders", name);
