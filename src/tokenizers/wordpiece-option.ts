import { ConfigError } from "../base/errors.ts";
import {
  type MergeTrainOptions,
  mergeTrainIssues,
  mergeTrainKeys,
  type ResolvedMergeTraining,
  resolveMergeTraining,
} from "./merge-option.ts";
import { unknownKeys, wholeNumber } from "./option-check.ts";

/** How text is cleaned before it is split into words. */
export interface TextOptions {
  /** Remove control characters and make every white space a space. */
  readonly cleanText: boolean;
  /** Make every Chinese character a word of its own. */
  readonly handleChineseChars: boolean;
  readonly lowercase: boolean;
  /** Remove accents (canonical decomposition without non-spacing marks). */
  readonly stripAccents: boolean;
}

/** How a WordPiece vocabulary is used. */
export interface WordPieceOptions extends Partial<TextOptions> {
  /** Marks a piece that continues a word; `##` by default. */
  readonly continuingSubwordPrefix?: string;
  /** Words of more characters become the unknown token; 100 by default. */
  readonly maxInputCharsPerWord?: number;
  readonly unkToken?: string;
  readonly padToken?: string;
  readonly clsToken?: string;
  readonly sepToken?: string;
  readonly maskToken?: string;
  /** Longest sequence of the model, written to `tokenizer_config.json`. */
  readonly modelMaxLength?: number;
}

/** How a WordPiece vocabulary is learned. */
export interface WordPieceTrainOptions extends WordPieceOptions, MergeTrainOptions {}

/** Every option with its value. */
export interface ResolvedWordPiece extends TextOptions {
  readonly continuingSubwordPrefix: string;
  readonly maxInputCharsPerWord: number;
  readonly unkToken: string;
  readonly padToken: string;
  readonly clsToken: string;
  readonly sepToken: string;
  readonly maskToken: string;
  readonly modelMaxLength: number | undefined;
}

/** Every training option with its value. */
export interface ResolvedWordPieceTraining extends ResolvedWordPiece, ResolvedMergeTraining {}

const USE_KEYS = [
  "cleanText",
  "handleChineseChars",
  "lowercase",
  "stripAccents",
  "continuingSubwordPrefix",
  "maxInputCharsPerWord",
  "unkToken",
  "padToken",
  "clsToken",
  "sepToken",
  "maskToken",
  "modelMaxLength",
];
const TRAIN_KEYS = [...USE_KEYS, ...mergeTrainKeys];

function resolveUse(options: WordPieceOptions): ResolvedWordPiece {
  const lowercase = options.lowercase ?? true;
  return {
    cleanText: options.cleanText ?? true,
    handleChineseChars: options.handleChineseChars ?? true,
    lowercase,
    // As in BERT: accents go with the capital letters unless something else is asked for.
    stripAccents: options.stripAccents ?? lowercase,
    continuingSubwordPrefix: options.continuingSubwordPrefix ?? "##",
    maxInputCharsPerWord: options.maxInputCharsPerWord ?? 100,
    unkToken: options.unkToken ?? "[UNK]",
    padToken: options.padToken ?? "[PAD]",
    clsToken: options.clsToken ?? "[CLS]",
    sepToken: options.sepToken ?? "[SEP]",
    maskToken: options.maskToken ?? "[MASK]",
    modelMaxLength: options.modelMaxLength,
  };
}

/**
 * Options of a WordPiece tokenizer with every default filled in.
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE
 */
export function resolveWordPieceOptions(options: WordPieceOptions): ResolvedWordPiece {
  const issues = [
    ...unknownKeys(options, USE_KEYS),
    ...wholeNumber(options, "maxInputCharsPerWord", 1),
    ...wholeNumber(options, "modelMaxLength", 1),
  ];
  if (issues.length > 0) throw new ConfigError("wordpiece", issues);
  return resolveUse(options);
}

/**
 * Training options with every default filled in.
 * @throws {ConfigError} CONFIG_UNKNOWN_KEY, CONFIG_OUT_OF_RANGE, TOKENIZER_UNK_MISSING
 */
export function resolveWordPieceTraining(options: WordPieceTrainOptions): ResolvedWordPieceTraining {
  const use = resolveUse(options);
  const specialTokens = options.specialTokens ?? [
    use.padToken,
    use.unkToken,
    use.clsToken,
    use.sepToken,
    use.maskToken,
  ];
  const issues = [
    ...unknownKeys(options, TRAIN_KEYS),
    ...mergeTrainIssues(options),
    ...wholeNumber(options, "maxInputCharsPerWord", 1),
    ...wholeNumber(options, "modelMaxLength", 1),
  ];
  if (!specialTokens.includes(use.unkToken)) {
    issues.push({
      path: "specialTokens",
      message: `must hold the unknown token ${use.unkToken}; got ${JSON.stringify(specialTokens)}. Add it.`,
      code: "TOKENIZER_UNK_MISSING",
    });
  }
  if (issues.length > 0) throw new ConfigError("wordpiece.train", issues);
  return { ...use, ...resolveMergeTraining(options, { minFrequency: 0, specialTokens }) };
}
