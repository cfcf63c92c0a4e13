import { CheckpointError } from "../base/errors.ts";
import { byteTokens, type ResolvedBpe } from "./bpe-option.ts";
import { tokenizerFileText, vocabularyText } from "./file-text.ts";
import type { TokenizerSettings } from "./special-role.ts";
import { addedTokens, addedTokensDecoder, namedTokens, segmentTemplate, specialTokensMap } from "./special-tokens.ts";
import { isRecord, type TokenizerFile } from "./tokenizer-file.ts";

/** A pair of pieces that are merged into one. */
export type Merge = readonly [left: string, right: string];

function postProcessor(ids: ReadonlyMap<string, number>, options: ResolvedBpe): unknown {
  const { byteLevel, clsToken: cls, sepToken: sep, addPrefixSpace, trimOffsets } = options;
  if (cls !== null && sep !== null) {
    if (!byteLevel) return segmentTemplate(cls, sep, ids);
    return {
      type: "RobertaProcessing",
      sep: [sep, ids.get(sep)],
      cls: [cls, ids.get(cls)],
      trim_offsets: trimOffsets,
      add_prefix_space: addPrefixSpace,
    };
  }
  if (!byteLevel) return null;
  return { type: "ByteLevel", add_prefix_space: addPrefixSpace, trim_offsets: trimOffsets, use_regex: true };
}

function decoder(options: ResolvedBpe): unknown {
  const { endOfWordSuffix: suffix, continuingSubwordPrefix: prefix } = options;
  if (options.byteLevel) return { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true };
  const fuse = { type: "Fuse" };
  if (options.byteFallback && suffix !== "") {
    // The mark of a word that ends with an unknown character is spelled by bytes too.
    const space = { type: "Replace", pattern: { String: suffix }, content: " " };
    return { type: "Sequence", decoders: [{ type: "BPEDecoder", suffix }, { type: "ByteFallback" }, fuse, space] };
  }
  if (suffix !== "") return { type: "BPEDecoder", suffix };
  const words = prefix === "" ? fuse : { type: "WordPiece", prefix, cleanup: false };
  return options.byteFallback ? { type: "Sequence", decoders: [{ type: "ByteFallback" }, words] } : words;
}

/** Text of the `tokenizer.json` that Hugging Face's tokenizers of this kind (GPT-2, RoBERTa, GPT) write. */
export function bpeFileText(
  ids: ReadonlyMap<string, number>,
  merges: readonly Merge[],
  options: ResolvedBpe,
  specialTokens: readonly string[] = [],
): string {
  const { byteLevel, unkToken, addPrefixSpace, trimOffsets } = options;
  const hidden = new Set(byteTokens);
  const special = [...namedTokens(options), ...specialTokens.filter((token) => !hidden.has(token))];
  const mark = (text: string): string => (text === "" ? "null" : JSON.stringify(text));
  return tokenizerFileText({
    added: addedTokens(special, ids, options.maskToken, byteLevel),
    normalizer: byteLevel
      ? null
      : {
          type: "BertNormalizer",
          clean_text: options.cleanText,
          handle_chinese_chars: options.handleChineseChars,
          strip_accents: options.stripAccents === options.lowercase ? null : options.stripAccents,
          lowercase: options.lowercase,
        },
    preTokenizer: byteLevel
      ? { type: "ByteLevel", add_prefix_space: addPrefixSpace, trim_offsets: trimOffsets, use_regex: true }
      : { type: "BertPreTokenizer" },
    postProcessor: postProcessor(ids, options),
    decoder: decoder(options),
    model: [
      ["type", '"BPE"'],
      ["dropout", JSON.stringify(options.dropout)],
      // Bytes spell everything.
      ["unk_token", byteLevel || unkToken === null ? "null" : JSON.stringify(unkToken)],
      ["continuing_subword_prefix", mark(options.continuingSubwordPrefix)],
      ["end_of_word_suffix", mark(options.endOfWordSuffix)],
      ["fuse_unk", String(options.fuseUnk)],
      ["byte_fallback", String(options.byteFallback)],
      ["ignore_merges", "false"],
      ["vocab", vocabularyText(ids, "    ")],
      ["merges", `[\n${merges.map((pair) => `      ${JSON.stringify(pair)}`).join(",\n")}\n    ]`],
    ],
  });
}

/** The class of transformers that rebuilds just this tokenizer; the general one where none does. */
function className(options: ResolvedBpe, ids: ReadonlyMap<string, number>): string {
  const general = "PreTrainedTokenizerFast";
  const { byteLevel, dropout, clsToken, sepToken, padToken, maskToken, unkToken, bosToken, eosToken } = options;
  if (dropout !== null || [...namedTokens(options)].some((token) => !ids.has(token))) return general;
  const pair = [clsToken, sepToken];
  const rest = [padToken, maskToken, unkToken, bosToken, eosToken];
  if (byteLevel) {
    if (![...pair, ...rest].includes(null)) return "RobertaTokenizer";
    const none = [...pair, padToken, maskToken].every((token) => token === null);
    return none && unkToken !== null && bosToken !== null && eosToken !== null ? "GPT2Tokenizer" : general;
  }
  const plain =
    options.cleanText &&
    options.handleChineseChars &&
    options.lowercase &&
    options.stripAccents &&
    options.endOfWordSuffix === "</w>" &&
    options.continuingSubwordPrefix === "" &&
    !options.fuseUnk &&
    !options.byteFallback &&
    clsToken === null;
  return plain && unkToken !== null ? "OpenAIGPTTokenizer" : general;
}

/** `tokenizer_config.json` for a new tokenizer. */
export function bpeSettings(
  ids: ReadonlyMap<string, number>,
  options: ResolvedBpe,
  specialTokens: readonly string[] = [],
): TokenizerSettings {
  const { byteLevel, addPrefixSpace, trimOffsets, modelMaxLength } = options;
  const hidden = new Set(byteTokens);
  const special = [...namedTokens(options), ...specialTokens.filter((token) => !hidden.has(token))];
  return {
    added_tokens_decoder: addedTokensDecoder(addedTokens(special, ids, options.maskToken, byteLevel)),
    clean_up_tokenization_spaces: false,
    tokenizer_class: className(options, ids),
    ...(modelMaxLength === undefined ? {} : { model_max_length: modelMaxLength }),
    ...specialTokensMap(options, ids),
    ...(byteLevel ? { add_prefix_space: addPrefixSpace, trim_offsets: trimOffsets, errors: "replace" } : {}),
    ...(byteLevel ? {} : { do_lower_case: options.lowercase }),
  };
}

/** Text of a `merges.txt`. */
export function mergesText(merges: readonly Merge[]): string {
  return `#version: 0.2\n${merges.map(([left, right]) => `${left} ${right}\n`).join("")}`;
}

/**
 * Pairs of a `merges.txt` (or `vocab.bpe`), in order.
 * @throws {CheckpointError} TOKENIZER_FILE_MALFORMED
 */
export function parseMerges(text: string, path: string): Merge[] {
  return text.split("\n").flatMap((line, index) => {
    const row = line.endsWith("\r") ? line.slice(0, -1) : line;
    // Only the first line says a version: further down the pieces "#version" and another would be a pair like all others.
    if (row === "" || (index === 0 && row.startsWith("#version"))) return [];
    const parts = row.split(" ");
    const [left, right] = parts;
    if (parts.length !== 2 || left === "" || right === "" || left === undefined || right === undefined) {
      throw new CheckpointError(
        `line ${index + 1} must hold two pieces and one space; got ${JSON.stringify(row)}. Restore the file from where it came.`,
        { code: "TOKENIZER_FILE_MALFORMED", path },
      );
    }
    return [[left, right] as const];
  });
}

/** Pairs that the model of a `tokenizer.json` merges, in order. @throws {CheckpointError} TOKENIZER_FILE_MALFORMED */
export function mergesOf(file: TokenizerFile, path: string): Merge[] {
  const model = isRecord(file.json.model) ? file.json.model : {};
  const list: readonly unknown[] = Array.isArray(model.merges) ? model.merges : [];
  return list.map((entry, index) => {
    const parts: unknown[] = typeof entry === "string" ? entry.split(" ") : Array.isArray(entry) ? entry : [];
    const [left, right] = parts;
    if (parts.length === 2 && typeof left === "string" && typeof right === "string") return [left, right];
    throw new CheckpointError(`model.merges[${index}]: must be two pieces. Restore the file from where it came.`, {
      code: "TOKENIZER_FILE_MALFORMED",
      path,
    });
  });
}

/**
 * What decides how texts become pieces, for the hash: the same for a `tokenizer.json` and for the vocabulary and merges it
 * was made of, whoever wrote it.
 */
export function bpeIdentity(file: TokenizerFile, merges: readonly Merge[]): unknown {
  const { normalizer, pre_tokenizer: preTokenizer, model } = file.json;
  const fields = isRecord(model) ? model : {};
  const bare = normalizer === null || normalizer === undefined;
  const bytes = isRecord(preTokenizer) && preTokenizer.type === "ByteLevel";
  return {
    kind: file.kind,
    tokens: file.tokens,
    merges,
    unknown: fields.unk_token ?? null,
    prefix: fields.continuing_subword_prefix ?? "",
    suffix: fields.end_of_word_suffix ?? "",
    flags: [fields.fuse_unk, fields.byte_fallback, fields.ignore_merges].map((flag) => flag === true),
    dropout: fields.dropout ?? null,
    normalizer: bare ? null : normalizer,
    // Where places begin and end is no part of it.
    preTokenizer: bytes
      ? { addPrefixSpace: preTokenizer.add_prefix_space === true, useRegex: preTokenizer.use_regex !== false }
      : preTokenizer,
    // Without a normalizer a token is found in the same text, normalized or not.
    added: file.addedTokens.map((token) => (bare ? { ...token, normalized: false } : token)),
  };
}
