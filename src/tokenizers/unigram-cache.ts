import type { NativeTokenizer } from "./library.ts";
import { SpaceSplitter } from "./space-splitter.ts";
import { isRecord, type TokenizerFile } from "./tokenizer-file.ts";
import { WordCache } from "./word-cache.ts";

/** UTF-16 units in the longest word worth remembering. */
const LONGEST = 256;

/** Steps of normalization that do not reach across white space. */
const localSteps = new Set(["Replace", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase"]);

function isLocal(normalizer: unknown): boolean {
  if (normalizer === null || normalizer === undefined) return true;
  if (!isRecord(normalizer)) return false;
  if (normalizer.type === "Sequence") {
    return Array.isArray(normalizer.normalizers) && normalizer.normalizers.every(isLocal);
  }
  if (normalizer.type === "Replace") {
    const pattern = isRecord(normalizer.pattern) ? normalizer.pattern : {};
    const { String: text, Regex: regex } = pattern as { String?: unknown; Regex?: unknown };
    return regex === " {2,}" || (typeof text === "string" && !/\s/.test(text));
  }
  return typeof normalizer.type === "string" && localSteps.has(normalizer.type);
}

function splitsAtSpace(preTokenizer: unknown): boolean {
  if (!isRecord(preTokenizer) || !Array.isArray(preTokenizer.pretokenizers)) return false;
  const [space, mark, ...rest] = preTokenizer.pretokenizers as unknown[];
  if (preTokenizer.type !== "Sequence" || rest.length > 0 || !isRecord(space) || !isRecord(mark)) return false;
  return (
    space.type === "WhitespaceSplit" &&
    mark.type === "Metaspace" &&
    mark.prepend_scheme === "always" &&
    mark.split !== false
  );
}

/** A cache of words for a Unigram tokenizer that treats every stretch between white space by itself; else undefined. */
export function unigramCache(file: TokenizerFile, native: NativeTokenizer): WordCache | undefined {
  const { normalizer, pre_tokenizer: preTokenizer } = file.json;
  if (!isLocal(normalizer) || !splitsAtSpace(preTokenizer)) return undefined;
  if (file.addedTokens.some((token) => token.normalized)) return undefined;
  return new WordCache({
    splitter: new SpaceSplitter(),
    spell: async (words) => {
      const encodings = await native.encodeBatch([...words], { addSpecialTokens: false });
      return encodings.map((encoding) => encoding.getIds());
    },
    maxWordLength: LONGEST,
    longWord: undefined,
  });
}
