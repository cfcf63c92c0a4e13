import { ByteSplitter } from "./byte-splitter.ts";
import { library } from "./library.ts";
import type { Splitter } from "./splitter.ts";
import { isRecord, type TokenizerFile } from "./tokenizer-file.ts";
import { WordCache } from "./word-cache.ts";
import { WordSplitter } from "./word-splitter.ts";
import { isBertPipeline, optionsFromFile } from "./wordpiece-file.ts";

/** UTF-16 units in the longest word worth remembering. */
const LONGEST = 256;

function splitterOf(file: TokenizerFile): Splitter | undefined {
  const { normalizer, pre_tokenizer: preTokenizer } = file.json;
  if (isBertPipeline(file)) return new WordSplitter(optionsFromFile(file, {}));
  const bare = normalizer === null || normalizer === undefined;
  if (!bare || !isRecord(preTokenizer) || preTokenizer.type !== "ByteLevel") return undefined;
  if (preTokenizer.use_regex === false) return undefined;
  return new ByteSplitter({ addPrefixSpace: preTokenizer.add_prefix_space === true });
}

/** A cache of words for a BPE tokenizer whose words can be told without it; undefined for others. */
export function bpeCache(file: TokenizerFile): WordCache | undefined {
  const { model } = file.json;
  // With dropout a word has new pieces every time.
  if (!isRecord(model) || typeof model.dropout === "number") return undefined;
  const splitter = splitterOf(file);
  if (splitter === undefined) return undefined;
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  // A text is one word to it.
  const speller = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: splitter instanceof ByteSplitter ? bytes : null,
    post_processor: null,
    decoder: null,
    model,
  };
  const native = library().Tokenizer.fromString(JSON.stringify(speller));
  return new WordCache({
    splitter,
    spell: async (words) => {
      const encodings = await native.encodeBatch([...words], { addSpecialTokens: false });
      return encodings.map((encoding) => encoding.getIds());
    },
    maxWordLength: LONGEST,
    longWord: undefined,
  });
}
