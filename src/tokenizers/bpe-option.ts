import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import {
  type MergeTrainOptions,
  mergeTrainIssues,
  mergeTrainKeys,
  type ResolvedMergeTraining,
  resolveMergeTraining,
} from "./merge-option.ts";
import { properShare, unknownKeys, wholeNumber } from "./option-check.ts";
import { leftOutRoles, namedTokens, type SpecialTokens, tokenRoles } from "./special-tokens.ts";
import type { TextOptions } from "./wordpiece-option.ts";

/** How a BPE vocabulary is used. Roles of special tokens: null for none. */
export interface BpeOptions extends Partial<TextOptions>, Partial<SpecialTokens> {
  /**
   * Pieces of bytes, as in GPT-2: every text can be spelled, and nothing is changed before. Otherwise pieces of characters
   * after BERT's cleaning and splitting, as in the first GPT. Pieces of bytes by default.
   */
  readonly byteLevel?: boolean;
  /** Byte-level: put a space before a text that has none, so that its first word is as any other. No by default. */
  readonly addPrefixSpace?: boolean;
  /** Byte-level: places leave out white space; where `cls` and `sep` are given by default. */
  readonly trimOffsets?: boolean;
  /** Characters: marks a piece that continues a word; none by default. */
  readonly continuingSubwordPrefix?: string;
  /** Characters: marks a piece that ends a word; `</w>` by default. */
  readonly endOfWordSuffix?: string;
  /** Characters: spell unknown characters by their bytes (`<0x41>`) rather than as the unknown token. */
  readonly byteFallback?: boolean;
  /** Characters: make one unknown token of several unknown characters in a row. */
  readonly fuseUnk?: boolean;
  /** Leave out merges at random with this probability when encoding (BPE-dropout); null for never, the default. */
  readonly dropout?: number | null;
  /** Longest sequence of the model, written to `tokenizer_config.json`. */
  readonly modelMaxLength?: number;
}

/** How a BPE vocabulary is learned. */
export interface BpeTrainOptions extends BpeOptions, MergeTrainOptions {}

/** Every option with its value. */
export interface ResolvedBpe extends TextOptions, SpecialTokens {
  readonly byteLevel: boolean;
  readonly addPrefixSpace: boolean;
  readonly trimOffsets: boolean;
  readonly continuingSubwordPrefix: string;
  readonly endOfWordSuffix: string;
  readonly byteFallback: boolean;
  readonly fuseUnk: boolean;
  readonly dropout: number | null;
  readonly modelMaxLength: number | undefined;
}

/** Every training option with its value. */
export interface ResolvedBpeTraining extends ResolvedBpe, ResolvedMergeTraining {}

const BYTE_KEYS = ["addPrefixSpace", "trimOffsets"];
const CHARACTER_KEYS = [
  ...["cleanText", "handleChineseChars", "lowercase", "stripAccents"],
  ...["continuingSubwordPrefix", "endOfWordSuffix", "byteFallback", "fuseUnk", "limitAlphabet"],
];
const USE_KEYS = ["byteLevel", "dropout", "modelMaxLength", ...tokenRoles, ...BYTE_KEYS, ...CHARACTER_KEYS].filter(
  (key) => key !== "limitAlphabet",
);
const TRAIN_KEYS = [...USE_KEYS, ...mergeTrainKeys];

/** The tokens that stand for bytes where characters are unknown. */
export const byteTokens: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);

function issuesOf(options: BpeOptions, known: readonly string[]): ConfigIssue[] {
  const byteLevel = options.byteLevel ?? true;
  const foreign = Object.entries(options)
    .filter(([key, value]) => value !== undefined && (byteLevel ? CHARACTER_KEYS : BYTE_KEYS).includes(key))
    .map(([key]) => ({
      path: key,
      message: `is for pieces of ${byteLevel ? "characters" : "bytes"}; got byteLevel ${byteLevel}. Leave it out.`,
      code: "TOKENIZER_OPTION_KIND",
    }));
  return [
    ...unknownKeys(options, known),
    ...foreign,
    ...(options.dropout === null ? [] : properShare(options, "dropout")),
    ...wholeNumber(options, "modelMaxLength", 1),
  ];
}

function resolveUse(options: BpeOptions): ResolvedBpe {
  const byteLevel = options.byteLevel ?? true;
  const lowercase = options.lowercase ?? !byteLevel;
  const role = (token: string | null | undefined): string | null => token ?? null;
  const end = byteLevel ? "<|endoftext|>" : null;
  // With a role of one's own choosing, those of GPT-2 no longer apply.
  const given = tokenRoles.some((key) => (options as Readonly<Record<string, unknown>>)[key] !== undefined);
  const usual = given ? null : end;
  const clsToken = role(options.clsToken);
  const sepToken = role(options.sepToken);
  return {
    byteLevel,
    addPrefixSpace: options.addPrefixSpace ?? false,
    trimOffsets: options.trimOffsets ?? (clsToken !== null && sepToken !== null),
    cleanText: options.cleanText ?? true,
    handleChineseChars: options.handleChineseChars ?? true,
    lowercase,
    stripAccents: options.stripAccents ?? lowercase,
    continuingSubwordPrefix: options.continuingSubwordPrefix ?? "",
    endOfWordSuffix: options.endOfWordSuffix ?? (byteLevel ? "" : "</w>"),
    byteFallback: options.byteFallback ?? false,
    fuseUnk: options.fuseUnk ?? false,
    dropout: options.dropout ?? null,
    modelMaxLength: options.modelMaxLength,
    unkToken: options.unkToken === undefined ? (byteLevel ? usual : "<unk>") : options.unkToken,
    padToken: role(options.padToken),
    clsToken,
    sepToken,
    maskToken: role(options.maskToken),
    bosToken: options.bosToken === undefined ? usual : options.bosToken,
    eosToken: options.eosToken === undefined ? usual : options.eosToken,
  };
}

/**
 * Options of a BPE tokenizer with every default filled in.
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_OPTION_KIND
 */
export function resolveBpeOptions(options: BpeOptions): ResolvedBpe {
  const issues = issuesOf(options, USE_KEYS);
  if (issues.length > 0) throw new ConfigError("bpe", issues);
  return resolveUse(options);
}

/**
 * Training options with every default filled in.
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_OPTION_KIND, TOKENIZER_ROLE_MISSING
 */
export function resolveBpeTraining(options: BpeTrainOptions): ResolvedBpeTraining {
  const issues = [...issuesOf(options, TRAIN_KEYS), ...mergeTrainIssues(options)];
  const use = resolveUse(options);
  const named = namedTokens(use);
  const specialTokens = options.specialTokens ?? named;
  issues.push(...leftOutRoles(named, specialTokens));
  if (issues.length > 0) throw new ConfigError("bpe.train", issues);
  return {
    ...use,
    ...resolveMergeTraining(options, { minFrequency: 2, specialTokens }),
    specialTokens: use.byteFallback ? [...specialTokens, ...byteTokens] : specialTokens,
  };
}
