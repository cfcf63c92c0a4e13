import { ConfigError } from "../../base/errors.ts";
import type { Module } from "../../nn/module.ts";
import { type PieceText, pieceTexts } from "../../tokenizers/piece-text.ts";
import type { SpecialTokenIds, Tokenizer } from "../../tokenizers/tokenizer.ts";
import { knownPieces, ordinaryIds } from "./add-tokens.ts";
import { type NewRows, requirePlain, type VocabularyModel } from "./model.ts";
import { resizeVocabulary } from "./resize.ts";

export interface SwapTokenizerOptions {
  readonly tokenizer: Tokenizer;
  /**
   * What the rows of tokens are that the old vocabulary does not have: the mean of those of their pieces in it (`pieces`, by
   * default; the mean of all where it could not spell one), the mean of all rows (`mean`), or drawn (`random`).
   */
  readonly rows?: NewRows | undefined;
  /** Of rows that are drawn; 0 by default. */
  readonly seed?: number | undefined;
}

/** Where the rows of a new vocabulary came from. */
export interface SwapReport {
  /** Tokens that both have, by text or by role. */
  readonly shared: number;
  /** New tokens whose row is the mean of their pieces' rows. */
  readonly fromPieces: number;
  /** New tokens whose row is the mean of all. */
  readonly fromMean: number;
  readonly drawn: number;
  /** Tokens of the old vocabulary that the new one does not have. */
  readonly dropped: number;
}

const roles = ["pad", "unk", "mask", "cls", "sep", "bos", "eos"] as const satisfies readonly (keyof SpecialTokenIds)[];

const keyOf = ({ text, isStart }: PieceText): string => (isStart ? ` ${text}` : text);

/** Old ids of the new special tokens: by what they do, else by their text. */
function sharedSpecials(old: Tokenizer, fresh: Tokenizer): Map<number, number> {
  const found = new Map<number, number>();
  for (const role of roles) {
    const [from, to] = [old.special[role] ?? -1, fresh.special[role] ?? -1];
    if (from >= 0 && to >= 0 && !found.has(to)) found.set(to, from);
  }
  for (const id of fresh.specialIds) {
    const token = fresh.idToToken(id);
    const same = token === undefined ? undefined : old.tokenToId(token);
    if (same !== undefined && !found.has(id)) found.set(id, same);
  }
  return found;
}

/**
 * Gives a model another vocabulary: rows of tokens that both have go along, by their text in a running text, whatever marks
 * the kinds of tokenizers write (`##ing`, `Ġthe`, `▁the`); special tokens go along by what they do. All other weights stay.
 * @throws {ConfigError} SAME_TOKENIZER
 * @throws {CheckpointError} ADAPTER_UNSUPPORTED, TOKENIZER_FOREIGN
 * @source rows of new tokens as means: Howard & Ruder 2018 (fastai), arXiv:1801.06146
 */
export async function swapTokenizer<M extends Module>(
  model: VocabularyModel<M>,
  options: SwapTokenizerOptions,
): Promise<{ readonly model: VocabularyModel<M>; readonly report: SwapReport }> {
  requirePlain(model);
  const { tokenizer: fresh, rows = "pieces", seed = 0 } = options;
  const { tokenizer: old } = model;
  if (fresh.hash === old.hash) {
    const message = "is the model's own: there is nothing to change. Name another one.";
    throw new ConfigError("swapTokenizer", [{ path: "tokenizer", message, code: "SAME_TOKENIZER" }]);
  }
  const before = new Map(
    pieceTexts(old).flatMap((piece, id) => (piece === undefined ? [] : [[keyOf(piece), id] as const])),
  );
  const pieces = pieceTexts(fresh);
  const specials = sharedSpecials(old, fresh);
  const all = ordinaryIds(old);
  const isNew = (piece: PieceText | undefined, id: number): piece is PieceText =>
    piece !== undefined && !specials.has(id) && !before.has(keyOf(piece));
  const asked = pieces.map((piece, id) => (rows === "pieces" && isNew(piece, id) ? keyOf(piece) : ""));
  const spelled = await knownPieces(old, asked);
  const count = { shared: 0, fromPieces: 0, fromMean: 0, drawn: 0 };
  const kept = new Set<number>();
  const sources = Array.from({ length: fresh.vocabSize }, (_, id): readonly number[] => {
    const piece = pieces[id];
    const same = specials.get(id) ?? (piece === undefined ? undefined : before.get(keyOf(piece)));
    if (same !== undefined) {
      count.shared++;
      kept.add(same);
      return [same];
    }
    if (rows === "random") {
      count.drawn++;
      return [];
    }
    const own = spelled[id]!;
    count[own.length === 0 ? "fromMean" : "fromPieces"]++;
    return own.length === 0 ? all : own;
  });
  const resized = resizeVocabulary(model, sources, { tokenizer: fresh, seed });
  const dropped = ordinaryIds(old).filter((id) => !kept.has(id)).length;
  return { model: { ...resized, tokenizer: fresh }, report: { ...count, dropped } };
}
