import { library } from "./library.ts";
import { SpaceSplitter } from "./space-splitter.ts";
import { noText } from "./train-bpe.ts";
import { unigramFileText } from "./unigram-file.ts";
import { learnUnigram, type ScoredPiece } from "./unigram-learner.ts";
import { type ResolvedUnigram, resolveUnigramTraining, type UnigramTrainOptions } from "./unigram-option.ts";
import { countWords, renameWords } from "./word-count.ts";

/** What the native library makes of a stretch without white space: its words, each with its mark. */
function wordMaker(options: ResolvedUnigram): (text: string) => string[] {
  const parts = { pieces: [[options.unkToken, 0] as const], added: [] };
  const native = library().Tokenizer.fromString(unigramFileText(parts, options));
  const normalizer = native.getNormalizer();
  const preTokenizer = native.getPreTokenizer();
  return (text) => {
    const normalized = normalizer === null ? text : normalizer.normalizeString(text);
    // No word can hold what stands between words while learning.
    return preTokenizer!.preTokenizeString(normalized).map(([word]) => word.replaceAll("\0", ""));
  };
}

/**
 * Learns a Unigram vocabulary from texts; memory does not grow with their length, only with their different words.
 * @param texts lines or whole documents
 * @returns tokens by id with their scores
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_UNK_MISSING, TOKENIZER_ROLE_MISSING,
 *   TOKENIZER_VOCAB_TOO_SMALL
 * @throws {DataError} TOKENIZER_NO_TEXT when there is no word at all
 * @source Kudo 2018, arXiv:1804.10959; Kudo and Richardson 2018, arXiv:1808.06226 (SentencePiece)
 */
export async function trainUnigram(
  texts: AsyncIterable<string> | Iterable<string>,
  options: UnigramTrainOptions = {},
): Promise<ScoredPiece[]> {
  const resolved = resolveUnigramTraining(options);
  // Nothing that is done to a text reaches across white space: it may be done to every different stretch once.
  const counted = await countWords(texts, new SpaceSplitter(), resolved.onProgress);
  const words = renameWords(counted, wordMaker(resolved));
  words.delete("");
  if (words.size === 0) throw noText("unigram.train");
  // Sums depend on the order of their summands: this one does not depend on the order of the texts.
  const ordered = [...words].sort(([a], [b]) => (a < b ? -1 : 1));
  return learnUnigram(new Map(ordered), resolved);
}
