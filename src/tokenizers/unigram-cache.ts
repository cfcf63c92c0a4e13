import type { NativeTokenizer } from "./library.ts";
import { lostSpace, reachesAcrossSpace } from "./precompiled.ts";
import { SpaceSplitter } from "./space-splitter.ts";
import { isRecord, type TokenizerFile } from "./tokenizer-file.ts";
import { WordCache } from "./word-cache.ts";

/** UTF-16 units in the longest word worth remembering. */
const LONGEST = 256;

/** Steps of normalization that do not reach across white space. */
const localSteps = new Set(["Replace", "NFC", "NFD", "NFKC", "NFKD", "StripAccents", "Lowercase"]);

interface Step {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The steps of a normalizer one after the other; undefined for what is none. */
function stepsOf(normalizer: unknown): readonly Step[] | undefined {
  if (normalizer === null || normalizer === undefined) return [];
  if (!isRecord(normalizer) || typeof normalizer.type !== "string") return undefined;
  if (normalizer.type !== "Sequence") return [normalizer as Step];
  if (!Array.isArray(normalizer.normalizers)) return undefined;
  const parts = normalizer.normalizers.map(stepsOf);
  return parts.some((part) => part === undefined) ? undefined : parts.flatMap((part) => part!);
}

/** Whether a step does not reach across white space. */
function isLocal({ type, pattern }: Step): boolean {
  if (type !== "Replace") return localSteps.has(type);
  const { String: text, Regex: regex } = (isRecord(pattern) ? pattern : {}) as { String?: unknown; Regex?: unknown };
  return regex === " {2,}" || (typeof text === "string" && !/\s/.test(text));
}

/** Whether a step makes no character first in a word that was not, or came from, the first: none that extends what is before. */
function keepsFirst({ type, content }: Step): boolean {
  return type !== "Replace" || (typeof content === "string" && /^[ -~]+$/.test(content));
}

/** Which texts a normalizer does not treat stretch by stretch between white space; undefined where that may be any. */
function textsLeftOut(normalizer: unknown, native: NativeTokenizer): ((text: string) => boolean) | undefined {
  const steps = stepsOf(normalizer);
  if (steps === undefined) return undefined;
  const map = steps.findIndex(({ type }) => type === "Precompiled");
  if (!steps.every((step) => step.type === "Precompiled" || isLocal(step))) return undefined;
  if (map === -1) return () => false;
  const isOne = steps.findLastIndex(({ type }) => type === "Precompiled") === map;
  const lost = lostSpace(native);
  if (!isOne || !steps.slice(0, map).every(keepsFirst) || lost.includes(" ")) return undefined;
  return (text) => reachesAcrossSpace(text) || lost.some((space) => text.includes(space));
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
  if (!splitsAtSpace(preTokenizer)) return undefined;
  if (file.addedTokens.some((token) => token.normalized)) return undefined;
  const leavesOut = textsLeftOut(normalizer, native);
  if (leavesOut === undefined) return undefined;
  return new WordCache({
    splitter: new SpaceSplitter(),
    spell: async (words) => {
      const encodings = await native.encodeBatch([...words], { addSpecialTokens: false });
      return encodings.map((encoding) => encoding.getIds());
    },
    maxWordLength: LONGEST,
    longWord: undefined,
    leavesOut,
  });
}
