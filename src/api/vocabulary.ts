/** @file Changes of a model directory's vocabulary and positions; each writes a new directory. */
import { join } from "node:path";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson } from "../formats/json-file.ts";
import { type AddedTokenReport, type AddTokensOptions, addTokens } from "../transfer/vocabulary/add-tokens.ts";
import { type ExtendPositionsOptions, extendPositions } from "../transfer/vocabulary/extend-positions.ts";
import { type MappedSymbol, type MapSymbolsOptions, mapSymbols } from "../transfer/vocabulary/map-symbols.ts";
import { type SwapReport, type SwapTokenizerOptions, swapTokenizer } from "../transfer/vocabulary/swap-tokenizer.ts";
import { changeModel } from "./change-model.ts";

/** Where the changed model goes: a new folder, which appears whole or not at all. */
export interface ChangedFolder {
  readonly outputDir: string;
}

/** What came of a change of vocabulary. */
export interface ChangedVocabulary {
  readonly folder: string;
  /** Rows of the tables of words now. */
  readonly vocabSize: number;
}

/** Which token's row each symbol has, beside the model. */
export const symbolsFile = "symbols.json";

/** Adds tokens to a model directory: see `addTokens`. */
export function addVocabulary(
  folder: string,
  { outputDir, ...options }: AddTokensOptions & ChangedFolder,
): Promise<ChangedVocabulary & { readonly added: readonly AddedTokenReport[] }> {
  return changeModel(folder, outputDir, async (source) => {
    const { model, added } = await addTokens(source, options);
    return { model, result: { folder: outputDir, vocabSize: model.family.facts(model.config).vocabSize, added } };
  });
}

/** Gives a model directory another tokenizer: see `swapTokenizer`. */
export function swapVocabulary(
  folder: string,
  { outputDir, ...options }: SwapTokenizerOptions & ChangedFolder,
): Promise<ChangedVocabulary & SwapReport> {
  return changeModel(folder, outputDir, async (source) => {
    const { model, report } = await swapTokenizer(source, options);
    return { model, result: { folder: outputDir, vocabSize: model.family.facts(model.config).vocabSize, ...report } };
  });
}

/** Makes a model directory one of symbols: see `mapSymbols`. `symbols.json` beside the model says which token each one is. */
export function symbolVocabulary(
  folder: string,
  { outputDir, ...options }: MapSymbolsOptions & ChangedFolder,
): Promise<ChangedVocabulary & { readonly symbols: readonly MappedSymbol[] }> {
  const write = async (
    temporary: string,
    { symbols }: { readonly symbols: readonly MappedSymbol[] },
  ): Promise<void> => {
    const { rows = "tokens", seed = 0 } = options;
    const listed = symbols.map(({ symbol, id, token }) => ({ symbol, id, token }));
    await writeFileAtomic(join(temporary, symbolsFile), formatJson({ rows, seed, symbols: listed }));
  };
  const change = async (source: Parameters<typeof mapSymbols>[0]) => {
    const { model, symbols } = mapSymbols(source, options);
    return { model, result: { folder: outputDir, vocabSize: model.family.facts(model.config).vocabSize, symbols } };
  };
  return changeModel(folder, outputDir, change, write);
}

/** What came of a change of positions. */
export interface ChangedPositions {
  readonly folder: string;
  /** Longest sequence before and now, in tokens. */
  readonly before: number;
  readonly maxPositionEmbeddings: number;
}

/** Makes a model directory take longer sequences: see `extendPositions`. */
export function extendPositionTable(
  folder: string,
  { outputDir, ...options }: ExtendPositionsOptions & ChangedFolder,
): Promise<ChangedPositions> {
  return changeModel(folder, outputDir, async (source) => {
    const before = source.family.facts(source.config).maxPositionEmbeddings;
    const model = extendPositions(source, options);
    const { maxPositionEmbeddings } = model.family.facts(model.config);
    return { model, result: { folder: outputDir, before, maxPositionEmbeddings } };
  });
}
