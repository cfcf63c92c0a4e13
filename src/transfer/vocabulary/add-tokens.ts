import type { Module } from "../../nn/module.ts";
import { type ExtendTokenizerOptions, extendTokenizer } from "../../tokenizers/extend.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import { type NewRows, requirePlain, type VocabularyModel } from "./model.ts";
import { resizeVocabulary } from "./resize.ts";

export interface AddTokensOptions extends ExtendTokenizerOptions {
  readonly tokens: readonly string[];
  /**
   * What their rows are: the mean of those of the pieces that the tokenizer gave before (`pieces`, by default; the mean of
   * all where it could not spell a token), the mean of all rows (`mean`), or drawn (`random`).
   */
  readonly rows?: NewRows | undefined;
  /** Of rows that are drawn; 0 by default. */
  readonly seed?: number | undefined;
}

/** A token that was added. */
export interface AddedTokenReport {
  readonly token: string;
  readonly id: number;
  /** The tokens whose mean its row is; empty for that of all, or for one that was drawn. */
  readonly pieces: readonly string[];
}

/** Ids of ordinary tokens: no special ones, no gaps. */
export function ordinaryIds({ vocabSize, specialIds }: Pick<Tokenizer, "vocabSize" | "specialIds">): number[] {
  const special = new Set(specialIds);
  return Array.from({ length: vocabSize }, (_, id) => id).filter((id) => !special.has(id));
}

/** Pieces of texts by a tokenizer, without the unknown one. */
export async function knownPieces(tokenizer: Tokenizer, texts: readonly string[]): Promise<number[][]> {
  const encodings = await tokenizer.encodeIds(texts);
  return encodings.map(({ ids }) => [...ids].filter((id) => id !== tokenizer.special.unk));
}

/**
 * Adds tokens to a model and its tokenizer: texts without them give what they gave.
 * @throws {ConfigError} for tokens that cannot be, all problems together: see `extendTokenizer`
 * @throws {CheckpointError} ADAPTER_UNSUPPORTED, TOKENIZER_FOREIGN
 * @source rows as means: Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models"
 */
export async function addTokens<M extends Module>(
  model: VocabularyModel<M>,
  options: AddTokensOptions,
): Promise<{ readonly model: VocabularyModel<M>; readonly added: readonly AddedTokenReport[] }> {
  requirePlain(model);
  const { tokens, rows = "pieces", seed = 0, ...finding } = options;
  const { tokenizer, family, config } = model;
  const extended = await extendTokenizer(tokenizer, tokens, finding);
  const all = ordinaryIds(tokenizer);
  const pieces = rows === "pieces" ? await knownPieces(tokenizer, tokens) : tokens.map((): number[] => []);
  const { vocabSize } = family.facts(config);
  // A table may have rows to spare, which the tokens take.
  const sources = Array.from({ length: Math.max(vocabSize, extended.vocabSize) }, (_, id): readonly number[] => {
    const own = pieces[id - tokenizer.vocabSize];
    if (own === undefined) return [id];
    if (rows === "random") return [];
    return own.length === 0 ? all : own;
  });
  const resized = resizeVocabulary(model, sources, { seed });
  const added = tokens.map((token, i) => ({
    token,
    id: tokenizer.vocabSize + i,
    pieces: pieces[i]!.map((id) => tokenizer.idToToken(id)!),
  }));
  return { model: { ...resized, tokenizer: extended }, added };
}
