import { DataError } from "../base/errors.ts";
import { type BpeTrainOptions, resolveBpeTraining } from "./bpe-option.ts";
import { byteCharacters, byteLevelText } from "./byte-alphabet.ts";
import { ByteSplitter } from "./byte-splitter.ts";
import { type LearnedMerges, learnMerges } from "./merge-learner.ts";
import { countWords, renameWords } from "./word-count.ts";
import { WordSplitter } from "./word-splitter.ts";

/** No text to learn from. */
export function noText(where: string): DataError {
  return new DataError("there is no word in the texts. Give texts with at least one word.", {
    code: "TOKENIZER_NO_TEXT",
    path: where,
  });
}

/**
 * Learns a BPE vocabulary and its merges from texts; memory does not grow with their length, only with their different words.
 *
 * Pieces of bytes: equal to the Rust trainer. Pieces of characters: see {@link learnMerges}.
 * @param texts lines or whole documents: words do not cross them
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_OPTION_KIND, TOKENIZER_ROLE_MISSING,
 *   TOKENIZER_VOCAB_TOO_SMALL
 * @throws {DataError} TOKENIZER_NO_TEXT when there is no word at all
 * @source Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2019 (bytes)
 */
export async function trainBpe(
  texts: AsyncIterable<string> | Iterable<string>,
  options: BpeTrainOptions = {},
): Promise<LearnedMerges> {
  const resolved = resolveBpeTraining(options);
  const { byteLevel } = resolved;
  const splitter = byteLevel ? new ByteSplitter(resolved) : new WordSplitter(resolved);
  const counted = await countWords(texts, splitter, resolved.onProgress);
  if (counted.size === 0) throw noText("bpe.train");
  const words = byteLevel ? renameWords(counted, (word) => [byteLevelText(word)]) : counted;
  return learnMerges(words, {
    ...resolved,
    where: "bpe.train",
    initialAlphabet: byteLevel ? [...byteCharacters, ...resolved.initialAlphabet] : resolved.initialAlphabet,
  });
}
