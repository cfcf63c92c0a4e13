/** @file A task's texts as examples of language modelling, and the objective that a model was pre-trained with. */
import type { PretrainingExample, TokenSegment } from "../data/segment.ts";
import type { PretrainingModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { causalLanguageModeling } from "../objectives/causal-language-modeling.ts";
import { denoising } from "../objectives/denoising.ts";
import type { FramedText } from "../objectives/frame.ts";
import { maskedLanguageModeling } from "../objectives/masked-language-modeling.ts";
import type { PretrainingObjective } from "../objectives/objective.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";

/** Whether a network models language itself, and is no network of a task. */
export function isLanguageModel(module: Module): module is PretrainingModel {
  const isTask = "classificationLogits" in module || "tokenLogits" in module;
  return !isTask && ("maskedLmLogits" in module || "causalLmLogits" in module);
}

/** One text of a task, or two that are read together, without special tokens. */
export type LanguageText = readonly [Int32Array, Int32Array?];

/** An encoded text without the tokens that its family puts around and between its parts. */
export function textOfFramed({ tokens, firstStart, secondStart }: FramedText, { special }: Tokenizer): LanguageText {
  const frame = new Set([special.cls, special.sep, special.bos, special.eos]);
  const part = (start: number, end: number): Int32Array => {
    let last = end;
    while (last > start && frame.has(tokens[last - 1])) last--;
    return tokens.subarray(start, last);
  };
  const first = part(firstStart, secondStart);
  return secondStart < tokens.length ? [first, part(secondStart, tokens.length)] : [first];
}

const segment = (tokens: Int32Array): TokenSegment => ({ tokens, wordStarts: new Uint8Array(tokens.length).fill(1) });

/** How a task's texts are learned as language. */
export interface LanguageLearning {
  readonly objective: PretrainingObjective;
  /** A text as what the objective reads. */
  example(text: LanguageText): PretrainingExample;
}

export interface LanguageLearningOptions {
  readonly tokenizer: Tokenizer;
  /** Longest text in tokens, special tokens included. */
  readonly maxSeqLength: number;
  readonly packed: boolean;
  readonly maskProbability: number;
}

/**
 * What a model was pre-trained to do, on the texts of a task: next words where it reads from left to right, the whole text
 * from 30 % infilling where it has a decoder, else masked words.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function languageLearning(
  { encoder, decoder }: PretrainingModel,
  { maskProbability, ...options }: LanguageLearningOptions,
): LanguageLearning {
  if (decoder === undefined && !encoder.isCausal) {
    return {
      objective: maskedLanguageModeling({ ...options, maskProbability }),
      example: ([a, b]) => ({ a: segment(a), ...(b === undefined ? {} : { b: segment(b) }) }),
    };
  }
  return {
    objective: decoder === undefined ? causalLanguageModeling(options) : denoising({ ...options, textInfilling: 0.3 }),
    // These read one run of text; each text is a document of its own.
    example: ([a, b]) => ({
      a: segment(b === undefined ? a : Int32Array.from([...a, ...b])),
      startsDocument: true,
      endsDocument: true,
    }),
  };
}
