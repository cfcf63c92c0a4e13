/** @file How pieces are learned by merging pairs of pieces: the options that BPE and WordPiece have in common. */
import type { ConfigIssue } from "../base/errors.ts";
import { wholeNumber } from "./option-check.ts";
import type { TrainProgress } from "./train-progress.ts";

export interface MergeTrainOptions {
  /** Entries in all: special tokens, alphabet and pieces; 30 000 by default. */
  readonly vocabSize?: number;
  /** A pair of pieces seen less often is not merged; by default 2 for BPE, 0 for WordPiece. */
  readonly minFrequency?: number;
  /** Pieces of characters: keep only so many of the most frequent ones; all by default. Bytes are always kept. */
  readonly limitAlphabet?: number;
  /** Characters to keep even where the text has none. */
  readonly initialAlphabet?: readonly string[];
  /** Pieces of this many characters (bytes) or more are not made; no limit by default. */
  readonly maxTokenLength?: number;
  /** First entries of the vocabulary; those with a role by default. */
  readonly specialTokens?: readonly string[];
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** Every such option with its value. */
export interface ResolvedMergeTraining {
  readonly vocabSize: number;
  readonly minFrequency: number;
  readonly limitAlphabet: number | undefined;
  readonly initialAlphabet: readonly string[];
  readonly maxTokenLength: number | undefined;
  readonly specialTokens: readonly string[];
  readonly onProgress: ((progress: TrainProgress) => void) | undefined;
}

/** Their names. */
export const mergeTrainKeys: readonly string[] = [
  ...["vocabSize", "minFrequency", "limitAlphabet", "initialAlphabet", "maxTokenLength", "specialTokens", "onProgress"],
];

/** Their values that are none. */
export function mergeTrainIssues(options: MergeTrainOptions): ConfigIssue[] {
  return [
    ...wholeNumber(options, "vocabSize", 1),
    ...wholeNumber(options, "minFrequency", 0),
    ...wholeNumber(options, "limitAlphabet", 1),
    ...wholeNumber(options, "maxTokenLength", 1),
  ];
}

export function resolveMergeTraining(
  options: MergeTrainOptions,
  usual: Pick<ResolvedMergeTraining, "minFrequency" | "specialTokens">,
): ResolvedMergeTraining {
  return {
    vocabSize: options.vocabSize ?? 30_000,
    minFrequency: options.minFrequency ?? usual.minFrequency,
    limitAlphabet: options.limitAlphabet,
    initialAlphabet: options.initialAlphabet ?? [],
    maxTokenLength: options.maxTokenLength,
    specialTokens: options.specialTokens ?? usual.specialTokens,
    onProgress: options.onProgress,
  };
}
