import { Bpe } from "./bpe.ts";
import type { BpeTrainOptions } from "./bpe-option.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { Unigram } from "./unigram.ts";
import type { UnigramTrainOptions } from "./unigram-option.ts";
import { WordPiece } from "./wordpiece.ts";
import type { WordPieceTrainOptions } from "./wordpiece-option.ts";

/** Kinds of tokenizers that can be learned: pieces of words; of characters and of bytes, merged; the likeliest pieces. */
export const tokenizerKinds = ["wordpiece", "bpe", "byteBpe", "unigram"] as const;

export type TokenizerKind = (typeof tokenizerKinds)[number];

/** A kind, and its options. */
export type TokenizerTraining =
  | { readonly kind: "wordpiece"; readonly options?: WordPieceTrainOptions }
  | { readonly kind: "bpe" | "byteBpe"; readonly options?: Omit<BpeTrainOptions, "byteLevel"> }
  | { readonly kind: "unigram"; readonly options?: UnigramTrainOptions };

const sentenceTokens = {
  unkToken: "<unk>",
  padToken: "<pad>",
  clsToken: "<s>",
  sepToken: "</s>",
  maskToken: "<mask>",
  bosToken: "<s>",
  eosToken: "</s>",
} as const;

const bert: TokenizerTraining = { kind: "wordpiece" };
const roberta: TokenizerTraining = { kind: "byteBpe", options: sentenceTokens };

/** The tokenizer that each family of models was made with. */
export const tokenizerPresets = {
  bert,
  ernie: bert,
  unilm: bert,
  mass: bert,
  roberta,
  bart: roberta,
  gpt2: { kind: "byteBpe" },
  "openai-gpt": { kind: "bpe" },
  albert: { kind: "unigram" },
} as const satisfies Readonly<Record<string, TokenizerTraining>>;

/**
 * Learns a tokenizer of some kind from texts.
 * @throws what `WordPiece.train`, `Bpe.train` and `Unigram.train` throw
 */
export function trainTokenizer(
  texts: AsyncIterable<string> | Iterable<string>,
  training: TokenizerTraining,
): Promise<Tokenizer> {
  if (training.kind === "wordpiece") return WordPiece.train(texts, training.options);
  if (training.kind === "unigram") return Unigram.train(texts, training.options);
  return Bpe.train(texts, { ...training.options, byteLevel: training.kind === "byteBpe" });
}
