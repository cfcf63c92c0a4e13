/** What the study trains: one encoder a language, with next words first and masked words after. */
import { join } from "node:path";
import type { TextSource } from "../../src/data/source.ts";
import { chineseText } from "./chinese.ts";
import { englishText } from "./english.ts";

/** One part of a pre-training. */
export interface Phase {
  readonly name: "next-words" | "masked-words";
  readonly steps: number;
  readonly warmupSteps: number;
  readonly batchSize: number;
  readonly learningRate: number;
}

export interface EncoderPlan {
  readonly name: string;
  readonly text: (data: string) => { readonly train: TextSource; readonly eval: TextSource };
  readonly vocabSize: number;
  /** Most single characters in the vocabulary. */
  readonly limitAlphabet: number;
  readonly phases: readonly Phase[];
}

export const maxSeqLength = 128;
/** Twice the usual share: small networks learn more from as many steps (Wettig et al. 2023, arXiv:2202.08005, find more is often better). */
export const maskProbability = 0.3;

const phases = (nextWords: number, maskedWords: number): readonly Phase[] => [
  { name: "next-words", steps: nextWords, warmupSteps: 200, batchSize: 16, learningRate: 1e-3 },
  { name: "masked-words", steps: maskedWords, warmupSteps: 400, batchSize: 16, learningRate: 1e-3 },
];

export const plans: readonly EncoderPlan[] = [
  { name: "english", text: englishText, vocabSize: 8192, limitAlphabet: 1000, phases: phases(2500, 8000) },
  { name: "chinese", text: chineseText, vocabSize: 8192, limitAlphabet: 6500, phases: phases(2000, 4000) },
];

/** What a finished pre-training says of itself. */
export interface EncoderSummary {
  readonly plan: string;
  readonly engine: string;
  readonly vocabSize: number;
  readonly trainTokens: number;
  /** Nats a token of the held-out text when only its frequency is known. */
  readonly unigramEntropy: number;
  readonly phases: readonly (Phase & { readonly evalLoss: number; readonly seconds: number })[];
}

export const folderOf = ({ name }: EncoderPlan): string => join("runs", "encoders", name);
