import { DataError } from "../base/errors.ts";
import { learnMerges } from "./merge-learner.ts";
import { countWords } from "./word-count.ts";
import { WordSplitter } from "./word-splitter.ts";
import { resolveWordPieceTraining, type WordPieceTrainOptions } from "./wordpiece-option.ts";

/**
 * Learns a WordPiece vocabulary from texts; memory does not grow with their length, only with their different words.
 * @param texts lines or whole documents: words do not cross them
 * @returns tokens by id: special tokens, characters, characters inside words, pieces by the order of their merges
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_VOCAB_TOO_SMALL, TOKENIZER_UNK_MISSING
 * @throws {DataError} TOKENIZER_NO_TEXT when there is no word at all
 * @source Schuster and Nakajima 2012 in the form of `tokenizers` (merges by frequency, not by likelihood)
 */
export async function trainWordPiece(
  texts: AsyncIterable<string> | Iterable<string>,
  options: WordPieceTrainOptions = {},
): Promise<string[]> {
  const resolved = resolveWordPieceTraining(options);
  const words = await countWords(texts, new WordSplitter(resolved), resolved.onProgress);
  if (words.size === 0) {
    throw new DataError("there is no word in the texts. Give texts with at least one word.", {
      code: "TOKENIZER_NO_TEXT",
      path: "wordpiece.train",
    });
  }
  return learnMerges(words, {
    ...resolved,
    where: "wordpiece.train",
    endOfWordSuffix: "",
    maxTokenLength: resolved.maxTokenLength,
  }).tokens;
}
