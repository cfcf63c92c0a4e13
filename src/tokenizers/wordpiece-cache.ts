import { library } from "./library.ts";
import { WordCache } from "./word-cache.ts";
import { WordSplitter } from "./word-splitter.ts";
import type { ResolvedWordPiece } from "./wordpiece-option.ts";

/**
 * A cache of words for a WordPiece vocabulary in BERT's pipeline.
 * @param tokens token of every id
 * @param capacity different words remembered before the cache starts afresh
 */
export function wordPieceCache(
  ids: ReadonlyMap<string, number>,
  tokens: readonly (string | undefined)[],
  options: ResolvedWordPiece,
  capacity?: number,
): WordCache {
  const { unkToken, continuingSubwordPrefix, maxInputCharsPerWord } = options;
  const { Tokenizer, WordPiece } = library();
  // Without normalizer and pre-tokenizer a text is one word.
  const model = new Tokenizer(
    WordPiece.init(Object.fromEntries(ids), { unkToken, continuingSubwordPrefix, maxInputCharsPerWord }),
  );
  const lengths = Int32Array.from(tokens, (token) => token?.length ?? 0);
  const prefixLength = continuingSubwordPrefix.length;
  return new WordCache({
    splitter: new WordSplitter(options),
    spell: async (words) => {
      const encodings = await model.encodeBatch([...words], { addSpecialTokens: false });
      return encodings.map((encoding) => encoding.getIds());
    },
    // The library counts code points: beyond twice as many units there are certainly too many.
    maxWordLength: 2 * maxInputCharsPerWord,
    longWord: ids.get(unkToken)!,
    pieceLength: (id, first) => lengths[id]! - (first ? 0 : prefixLength),
    ...(capacity === undefined ? {} : { capacity }),
  });
}
