import { byteTokens } from "./bpe-option.ts";
import { tokenizerFileText } from "./file-text.ts";
import type { TokenizerSettings } from "./special-role.ts";
import { addedTokens, addedTokensDecoder, namedTokens, segmentTemplate, specialTokensMap } from "./special-tokens.ts";
import type { AddedToken } from "./tokenizer-file.ts";
import type { ScoredPiece } from "./unigram-learner.ts";
import type { ResolvedUnigram } from "./unigram-option.ts";
import { METASPACE } from "./word-start.ts";

const metaspace = { type: "Metaspace", replacement: METASPACE, prepend_scheme: "always", split: true };

/** The split at white space, and a mark before every word. */
const preTokenizer = { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace] };

/** What is done to a text first, step by step. */
function normalizers({ lowercase, stripAccents, nfkc }: ResolvedUnigram): unknown[] {
  return [
    { type: "Replace", pattern: { String: "``" }, content: '"' },
    { type: "Replace", pattern: { String: "''" }, content: '"' },
    ...(stripAccents ? [{ type: "NFKD" }, { type: "StripAccents" }] : []),
    ...(lowercase ? [{ type: "Lowercase" }] : []),
    ...(nfkc ? [{ type: "NFKC" }] : []),
  ];
}

/** What a Unigram `tokenizer.json` is made of besides its options. */
export interface UnigramParts {
  readonly pieces: readonly ScoredPiece[];
  readonly added: readonly AddedToken[];
  /** Steps of normalization; those of the options unless given. */
  readonly normalizers?: readonly unknown[];
}

/** Added tokens of a vocabulary: those with a role, and others that are special. */
export function unigramAdded(
  ids: ReadonlyMap<string, number>,
  options: ResolvedUnigram,
  specialTokens: readonly string[],
): AddedToken[] {
  const hidden = new Set(byteTokens);
  const special = [...namedTokens(options), ...specialTokens.filter((token) => !hidden.has(token))];
  return addedTokens(special, ids, options.maskToken, true);
}

/** Text of the `tokenizer.json` of a Unigram tokenizer, as Hugging Face's ALBERT has it. */
export function unigramFileText({ pieces, added, normalizers: steps }: UnigramParts, options: ResolvedUnigram): string {
  const ids = new Map(pieces.map(([token], id) => [token, id]));
  const { clsToken: cls, sepToken: sep, byteFallback, unkToken } = options;
  const paired = cls !== null && sep !== null && ids.has(cls) && ids.has(sep);
  return tokenizerFileText({
    added,
    normalizer: { type: "Sequence", normalizers: steps ?? normalizers(options) },
    preTokenizer,
    postProcessor: paired ? segmentTemplate(cls, sep, ids) : null,
    decoder: byteFallback ? { type: "Sequence", decoders: [{ type: "ByteFallback" }, metaspace] } : metaspace,
    model: [
      ["type", '"Unigram"'],
      ["unk_id", String(ids.get(unkToken))],
      ["vocab", `[\n${pieces.map((piece) => `      ${JSON.stringify(piece)}`).join(",\n")}\n    ]`],
      ["byte_fallback", String(byteFallback)],
    ],
  });
}

/** `tokenizer_config.json`; the general class of transformers reads every part of `tokenizer.json`. */
export function unigramSettings(
  ids: ReadonlyMap<string, number>,
  options: ResolvedUnigram,
  added: readonly AddedToken[],
): TokenizerSettings {
  const { modelMaxLength, lowercase, stripAccents, clsToken, sepToken } = options;
  return {
    added_tokens_decoder: addedTokensDecoder(added),
    clean_up_tokenization_spaces: false,
    tokenizer_class: "PreTrainedTokenizerFast",
    // The general class gives segment ids only where it is told to.
    ...(clsToken === null || sepToken === null
      ? {}
      : { model_input_names: ["input_ids", "token_type_ids", "attention_mask"] }),
    ...(modelMaxLength === undefined ? {} : { model_max_length: modelMaxLength }),
    ...specialTokensMap(options, ids),
    do_lower_case: lowercase,
    keep_accents: !stripAccents,
  };
}
