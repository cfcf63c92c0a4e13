import { CheckpointError } from "../base/errors.ts";
import { tokenizerFileText, vocabularyText } from "./file-text.ts";
import type { TokenizerSettings } from "./special-role.ts";
import { addedTokens, addedTokensDecoder, segmentTemplate, specialTokensMap } from "./special-tokens.ts";
import { isRecord, type TokenizerFile } from "./tokenizer-file.ts";
import type { ResolvedWordPiece } from "./wordpiece-option.ts";

/**
 * Tokens of a `vocab.txt`: one a line, the line number is the id.
 * @throws {CheckpointError} TOKENIZER_VOCAB_EMPTY
 */
export function parseVocabulary(text: string, path: string): string[] {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) {
    throw new CheckpointError("holds no token. Restore the file from where it came.", {
      code: "TOKENIZER_VOCAB_EMPTY",
      path,
    });
  }
  return lines;
}

function specialContents(options: ResolvedWordPiece): string[] {
  return [options.padToken, options.unkToken, options.clsToken, options.sepToken, options.maskToken];
}

/** Text of the `tokenizer.json` that Hugging Face's BERT tokenizer writes for a vocabulary and its options. */
export function wordPieceFileText(tokens: readonly string[], options: ResolvedWordPiece): string {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const { clsToken, sepToken } = options;
  return tokenizerFileText({
    added: addedTokens(specialContents(options), ids, null, false),
    normalizer: {
      type: "BertNormalizer",
      clean_text: options.cleanText,
      handle_chinese_chars: options.handleChineseChars,
      strip_accents: options.stripAccents === options.lowercase ? null : options.stripAccents,
      lowercase: options.lowercase,
    },
    preTokenizer: { type: "BertPreTokenizer" },
    postProcessor: ids.has(clsToken) && ids.has(sepToken) ? segmentTemplate(clsToken, sepToken, ids) : null,
    decoder: { type: "WordPiece", prefix: options.continuingSubwordPrefix, cleanup: true },
    model: [
      ["type", '"WordPiece"'],
      ["unk_token", JSON.stringify(options.unkToken)],
      ["continuing_subword_prefix", JSON.stringify(options.continuingSubwordPrefix)],
      ["max_input_chars_per_word", String(options.maxInputCharsPerWord)],
      ["vocab", vocabularyText(ids, "    ")],
    ],
  });
}

/** `tokenizer_config.json` of Hugging Face's BERT tokenizer; what a loaded file had besides is kept. */
export function wordPieceSettings(
  ids: ReadonlyMap<string, number>,
  options: ResolvedWordPiece,
  kept: TokenizerSettings,
): Record<string, unknown> {
  return {
    added_tokens_decoder: addedTokensDecoder(addedTokens(specialContents(options), ids, null, false)),
    clean_up_tokenization_spaces: true,
    tokenizer_class: "BertTokenizer",
    ...kept,
    ...(options.modelMaxLength === undefined ? {} : { model_max_length: options.modelMaxLength }),
    ...specialTokensMap(options, ids),
    do_lower_case: options.lowercase,
    strip_accents: options.stripAccents === options.lowercase ? null : options.stripAccents,
    tokenize_chinese_chars: options.handleChineseChars,
  };
}

function textOf(value: unknown, fallback: string): string {
  if (typeof value === "string") return value;
  return isRecord(value) && typeof value.content === "string" ? value.content : fallback;
}

/** Options as a `tokenizer_config.json` states them, the defaults of BERT elsewhere. */
export function optionsFromSettings(settings: TokenizerSettings): ResolvedWordPiece {
  const flag = (key: string, fallback: boolean): boolean =>
    typeof settings[key] === "boolean" ? settings[key] : fallback;
  const lowercase = flag("do_lower_case", true);
  const length = settings.model_max_length;
  return {
    cleanText: true,
    handleChineseChars: flag("tokenize_chinese_chars", true),
    lowercase,
    stripAccents: flag("strip_accents", lowercase),
    continuingSubwordPrefix: "##",
    maxInputCharsPerWord: 100,
    unkToken: textOf(settings.unk_token, "[UNK]"),
    padToken: textOf(settings.pad_token, "[PAD]"),
    clsToken: textOf(settings.cls_token, "[CLS]"),
    sepToken: textOf(settings.sep_token, "[SEP]"),
    maskToken: textOf(settings.mask_token, "[MASK]"),
    // Hugging Face writes 1e30 for "no limit".
    modelMaxLength: typeof length === "number" && Number.isSafeInteger(length) ? length : undefined,
  };
}

/** Whether a file is BERT's pipeline from end to end, so that words can be split ahead of the library. */
export function isBertPipeline(file: TokenizerFile): boolean {
  const { normalizer, pre_tokenizer: preTokenizer } = file.json;
  return (
    isRecord(normalizer) &&
    normalizer.type === "BertNormalizer" &&
    isRecord(preTokenizer) &&
    preTokenizer.type === "BertPreTokenizer" &&
    file.addedTokens.every((token) => !token.normalized)
  );
}

/** Options as a WordPiece `tokenizer.json` states them; roles of special tokens come from the settings. */
export function optionsFromFile(file: TokenizerFile, settings: TokenizerSettings): ResolvedWordPiece {
  const base = optionsFromSettings(settings);
  const model = file.json.model as Record<string, unknown>;
  const normalizer = isRecord(file.json.normalizer) ? file.json.normalizer : {};
  const flag = (key: string, fallback: boolean): boolean =>
    typeof normalizer[key] === "boolean" ? normalizer[key] : fallback;
  const lowercase = flag("lowercase", true);
  return {
    ...base,
    cleanText: flag("clean_text", true),
    handleChineseChars: flag("handle_chinese_chars", true),
    lowercase,
    stripAccents: flag("strip_accents", lowercase),
    continuingSubwordPrefix: textOf(model.continuing_subword_prefix, "##"),
    maxInputCharsPerWord: typeof model.max_input_chars_per_word === "number" ? model.max_input_chars_per_word : 100,
    unkToken: textOf(model.unk_token, base.unkToken),
  };
}
