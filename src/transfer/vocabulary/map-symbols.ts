import { ConfigError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { Module } from "../../nn/module.ts";
import { type SymbolOptions, symbolTokenizer, symbolTokens } from "../../tokenizers/symbol-tokenizer.ts";
import { ordinaryIds } from "./add-tokens.ts";
import { requirePlain, type VocabularyModel } from "./model.ts";
import { resizeVocabulary } from "./resize.ts";

export interface MapSymbolsOptions extends SymbolOptions {
  /**
   * What the rows of the symbols are: those of ordinary tokens, a different one each, chosen at random (`tokens`, by default);
   * or drawn anew, the control (`random`).
   */
  readonly rows?: "tokens" | "random" | undefined;
  /** Of the choice; 0 by default. */
  readonly seed?: number | undefined;
}

/** A symbol, and the token whose row it has; null for one that was drawn. */
export interface MappedSymbol {
  readonly symbol: string;
  readonly id: number;
  readonly token: string | null;
}

const roles = ["pad", "unk", "cls", "sep", "mask", "bos", "eos"] as const;

/** What the unknown token is called where a vocabulary spells everything. */
const UNKNOWN = "<unk>";

/**
 * Makes a model of text one of symbols (DNA, proteins, music): every symbol, or every few of them that follow each other, gets
 * the row of a token of the text's vocabulary, chosen at random; special tokens keep theirs, and all other weights stay. The
 * vocabulary is that of the symbols alone.
 * @throws {ConfigError} for symbols that cannot be, all problems together; SYMBOLS_TOO_MANY
 * @throws {CheckpointError} ADAPTER_UNSUPPORTED
 * @source Kao & Lee 2021 §3, arXiv:2103.07162
 */
export function mapSymbols<M extends Module>(
  model: VocabularyModel<M>,
  options: MapSymbolsOptions,
): { readonly model: VocabularyModel<M>; readonly symbols: readonly MappedSymbol[] } {
  requirePlain(model);
  const { rows = "tokens", seed = 0, ...reading } = options;
  const { tokenizer: old, family } = model;
  const symbols = symbolTokens(reading);
  const candidates = ordinaryIds(old);
  if (rows === "tokens" && symbols.length > candidates.length) {
    const message = `gives ${symbols.length} tokens, the model has ${candidates.length} to choose from. Lower perToken.`;
    throw new ConfigError("mapSymbols", [{ path: "alphabet", message, code: "SYMBOLS_TOO_MANY" }]);
  }
  const chosen = new Random(seed, "symbols").shuffle(candidates);
  const known = roles.map((role) => [role, old.special[role] ?? -1] as const).filter(([, id]) => id >= 0);
  const specials = [...new Set(known.map(([, id]) => id))].sort((one, other) => one - other);
  const named = (id: number): string => old.idToToken(id)!;
  const hasUnknown = old.special.unk >= 0;
  const vocabulary = [...specials.map(named), ...(hasUnknown ? [] : [UNKNOWN]), ...symbols];
  const names = Object.fromEntries(known.map(([role, id]) => [role, named(id)])) as Partial<
    Record<(typeof roles)[number], string>
  >;
  const clash = symbols.find((symbol) => vocabulary.indexOf(symbol) < specials.length);
  if (clash !== undefined) {
    const message = `${JSON.stringify(clash)} is a special token of the model. Write it otherwise.`;
    throw new ConfigError("mapSymbols", [{ path: "alphabet", message, code: "CONFIG_AMBIGUOUS" }]);
  }
  const tokenizer = symbolTokenizer(
    vocabulary,
    { ...names, pad: names.pad ?? named(specials[0]!), unk: names.unk ?? UNKNOWN },
    { ...reading, typesSegments: family.framing.typesSecond },
  );
  const sources = [
    ...specials.map((id) => [id]),
    ...(hasUnknown ? [] : [ordinaryIds(old)]),
    ...symbols.map((_, i) => (rows === "tokens" ? [chosen[i]!] : [])),
  ];
  const resized = resizeVocabulary(model, sources, { tokenizer, seed });
  const first = vocabulary.length - symbols.length;
  const mapped = symbols.map((symbol, i) => {
    return { symbol, id: first + i, token: rows === "tokens" ? named(chosen[i]!) : null };
  });
  return { model: { ...resized, tokenizer }, symbols: mapped };
}
