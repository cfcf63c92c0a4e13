import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { byteTokens } from "./bpe-option.ts";
import { properShare, unknownKeys, wholeNumber } from "./option-check.ts";
import { leftOutRoles, namedTokens, type SpecialTokens, tokenRoles } from "./special-tokens.ts";
import type { TrainProgress } from "./train-progress.ts";

/** How a Unigram vocabulary is used. Roles of special tokens: null for none; ALBERT's by default. */
export interface UnigramOptions extends Partial<SpecialTokens> {
  /** Make all letters small; yes by default. */
  readonly lowercase?: boolean;
  /** Remove accents (compatibility decomposition without marks); yes by default. */
  readonly stripAccents?: boolean;
  /** Bring every text into compatibility composition (NFKC); yes by default. */
  readonly nfkc?: boolean;
  /** Spell unknown characters by their bytes (`<0x41>`) rather than as the unknown token. */
  readonly byteFallback?: boolean;
  /** Longest sequence of the model, written to `tokenizer_config.json`. */
  readonly modelMaxLength?: number;
}

/** How a Unigram vocabulary is learned. */
export interface UnigramTrainOptions extends UnigramOptions {
  /** Entries in all: special tokens, characters and pieces; 8 000 by default. */
  readonly vocabSize?: number;
  /** Pieces to begin with; 1 000 000 by default. */
  readonly seedSize?: number;
  /** Characters in the longest piece; 16 by default. */
  readonly maxPieceLength?: number;
  /** Share of the pieces that remains each time pieces are dropped; 0.75 by default. */
  readonly shrinkingFactor?: number;
  /** Rounds of estimating probabilities before pieces are dropped; 2 by default. */
  readonly numSubIterations?: number;
  /** Characters to keep even where the text has none. */
  readonly initialAlphabet?: readonly string[];
  /** First entries of the vocabulary; those with a role by default. */
  readonly specialTokens?: readonly string[];
  readonly onProgress?: (progress: TrainProgress) => void;
}

/** Every option with its value. */
export interface ResolvedUnigram extends SpecialTokens {
  readonly unkToken: string;
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
  readonly nfkc: boolean;
  readonly byteFallback: boolean;
  readonly modelMaxLength: number | undefined;
}

/** Every training option with its value. */
export interface ResolvedUnigramTraining extends ResolvedUnigram {
  readonly vocabSize: number;
  readonly seedSize: number;
  readonly maxPieceLength: number;
  readonly shrinkingFactor: number;
  readonly numSubIterations: number;
  readonly initialAlphabet: readonly string[];
  readonly specialTokens: readonly string[];
  readonly onProgress: ((progress: TrainProgress) => void) | undefined;
}

const USE_KEYS = ["lowercase", "stripAccents", "nfkc", "byteFallback", "modelMaxLength", ...tokenRoles];
const TRAIN_KEYS = [
  ...USE_KEYS,
  ...["vocabSize", "seedSize", "maxPieceLength", "shrinkingFactor", "numSubIterations"],
  ...["initialAlphabet", "specialTokens", "onProgress"],
];

function issuesOf(options: UnigramOptions, known: readonly string[]): ConfigIssue[] {
  const issues = [...unknownKeys(options, known), ...wholeNumber(options, "modelMaxLength", 1)];
  if (options.unkToken === null) {
    issues.push({
      path: "unkToken",
      message: "must be given: there are always characters that the text did not have. Leave it out for <unk>.",
      code: "TOKENIZER_UNK_MISSING",
    });
  }
  return issues;
}

function resolveUse(options: UnigramOptions): ResolvedUnigram {
  const role = (token: string | null | undefined, usual: string): string | null =>
    token === undefined ? usual : token;
  const clsToken = role(options.clsToken, "[CLS]");
  const sepToken = role(options.sepToken, "[SEP]");
  return {
    lowercase: options.lowercase ?? true,
    stripAccents: options.stripAccents ?? true,
    nfkc: options.nfkc ?? true,
    byteFallback: options.byteFallback ?? false,
    modelMaxLength: options.modelMaxLength,
    unkToken: options.unkToken ?? "<unk>",
    padToken: role(options.padToken, "<pad>"),
    clsToken,
    sepToken,
    maskToken: role(options.maskToken, "[MASK]"),
    bosToken: options.bosToken === undefined ? clsToken : options.bosToken,
    eosToken: options.eosToken === undefined ? sepToken : options.eosToken,
  };
}

/** The tokens with a role as ALBERT orders them: `<pad> <unk> [CLS] [SEP] [MASK]`. */
function albertOrder(roles: ResolvedUnigram): string[] {
  const { padToken, unkToken, clsToken, sepToken, maskToken } = roles;
  const first = [padToken, unkToken, clsToken, sepToken, maskToken].flatMap((token) => token ?? []);
  return [...new Set([...first, ...namedTokens(roles)])];
}

/**
 * Options of a Unigram tokenizer with every default filled in.
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_UNK_MISSING
 */
export function resolveUnigramOptions(options: UnigramOptions): ResolvedUnigram {
  const issues = issuesOf(options, USE_KEYS);
  if (issues.length > 0) throw new ConfigError("unigram", issues);
  return resolveUse(options);
}

/**
 * Training options with every default filled in.
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_UNK_MISSING, TOKENIZER_ROLE_MISSING
 */
export function resolveUnigramTraining(options: UnigramTrainOptions): ResolvedUnigramTraining {
  const issues = [
    ...issuesOf(options, TRAIN_KEYS),
    ...wholeNumber(options, "vocabSize", 1),
    ...wholeNumber(options, "seedSize", 1),
    ...wholeNumber(options, "maxPieceLength", 1),
    ...wholeNumber(options, "numSubIterations", 1),
    ...properShare(options, "shrinkingFactor"),
  ];
  const use = resolveUse(options);
  const named = albertOrder(use);
  const specialTokens = options.specialTokens ?? named;
  issues.push(...leftOutRoles(named, specialTokens));
  if (issues.length > 0) throw new ConfigError("unigram.train", issues);
  return {
    ...use,
    vocabSize: options.vocabSize ?? 8_000,
    seedSize: options.seedSize ?? 1_000_000,
    maxPieceLength: options.maxPieceLength ?? 16,
    shrinkingFactor: options.shrinkingFactor ?? 0.75,
    numSubIterations: options.numSubIterations ?? 2,
    initialAlphabet: options.initialAlphabet ?? [],
    specialTokens: use.byteFallback ? [...specialTokens, ...byteTokens] : specialTokens,
    onProgress: options.onProgress,
  };
}
