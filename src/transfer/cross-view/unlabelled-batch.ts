/** @file Unlabelled texts as batches: what the network and the views read, and where. */
import { Random } from "../../base/random.ts";
import type { Batch } from "../../data/batch.ts";
import type { HostTensor } from "../../ir/dtype.ts";
import type { FramedText } from "../../objectives/frame.ts";
import type { Drawn } from "../../objectives/objective.ts";
import { integers, roomFor } from "../../objectives/row-batch.ts";
import { textBatch } from "../../tasks/classification-batch.ts";
import type { SpecialTokenIds } from "../../tokenizers/tokenizer.ts";
import type { Sight } from "./view.ts";

/** What an unlabelled batch is called among the kinds of batches. */
export const UNLABELLED = "unlabelled";

/** An unlabelled text, or a window of a long one. */
export interface UnlabelledText extends FramedText {
  /** First pieces of its words; empty where no task reads words. */
  readonly words: Int32Array;
  /** For each of them the token behind the word, −1 where the window does not tell. */
  readonly behind: Int32Array;
}

export interface UnlabelledBatchOptions {
  readonly special: SpecialTokenIds;
  readonly maxSeqLength: number;
  readonly packed: boolean;
  /** What the views look at. */
  readonly sights: ReadonlySet<Sight>;
  readonly readsWords: boolean;
  readonly readsTexts: boolean;
  /** Share of the tokens that `masked` does not see. */
  readonly maskProbability: number;
}

/** Ranks of a text's tokens for a half of it: 1 for the other half. Of pairs, halves of both texts. */
export function halfRanks(
  { tokens, firstStart, secondStart }: FramedText,
  isSpecial: (id: number) => boolean,
  half: "firstHalf" | "secondHalf",
): Int32Array {
  const ranks = new Int32Array(tokens.length);
  for (const [start, end] of [
    [firstStart, secondStart],
    [secondStart, tokens.length],
  ] as const) {
    const own = Array.from({ length: end - start }, (_, i) => start + i).filter((at) => !isSpecial(tokens[at]!));
    const middle = Math.ceil(own.length / 2);
    for (const at of half === "firstHalf" ? own.slice(middle) : own.slice(0, middle)) ranks[at] = 1;
  }
  return ranks;
}

/** A text some of whose tokens are the mask. */
function maskedTokens(
  { tokens }: FramedText,
  isSpecial: (id: number) => boolean,
  { mask, unk }: SpecialTokenIds,
  probability: number,
  random: Random,
): Int32Array {
  return tokens.map((id) => (!isSpecial(id) && random.next() < probability ? (mask ?? unk) : id));
}

/** Tensors of rows made of one value a token. */
function alongRows(texts: readonly FramedText[], starts: Int32Array, shape: readonly number[], fill: Int32Array) {
  return (values: (text: FramedText, i: number) => Int32Array): HostTensor => {
    const data = fill.slice();
    texts.forEach((text, i) => {
      data.set(values(text, i), starts[i]!);
    });
    return integers(data, shape);
  };
}

/** A list of places with what lies beside it, filled up to a round number. */
function list(values: readonly number[], fill: number): HostTensor {
  const data = new Int32Array(roomFor(values.length)).fill(fill);
  data.set(values);
  return integers(data, [data.length]);
}

/**
 * A batch of unlabelled texts. Beside the rows: `wordPlaces`, `placesBefore`, `placesBehind` i32 `[P]` and `isWord`,
 * `hasBefore`, `hasBehind` (0 or 1) where tasks read words; `firstTokens`, `lastTokens` i32 `[S]` and `isText` where they
 * read texts; `maskedIds`, `firstHalf`, `secondHalf` i32 `[R, W]` where views need them.
 * @param seed of the masks, which hang on a text's number and epoch too
 */
export function unlabelledBatch(
  drawn: readonly Drawn<UnlabelledText>[],
  seed: number,
  options: UnlabelledBatchOptions,
): Batch {
  const { special, sights, readsWords, readsTexts, maskProbability, maxSeqLength, packed } = options;
  const texts = drawn.map(({ example }) => example);
  const plain = texts.map((text) => ({ ...text, truncated: false }));
  const batch = textBatch(plain, { maxSeqLength, packed, padId: special.pad });
  const { firstTokens, lastTokens, ...rows } = batch.tensors;
  const starts = firstTokens!.data as Int32Array;
  const { shape, data } = rows.inputIds!;
  const specials = new Set([special.cls, special.sep, special.bos, special.eos]);
  const isSpecial = (id: number): boolean => specials.has(id);
  const along = alongRows(texts, starts, shape, new Int32Array(data.length));
  const tensors: Record<string, HostTensor> = { ...rows };
  const lists: Record<string, NonNullable<Batch["lists"]>[string]> = {};
  const counts: Record<string, number> = {};
  for (const half of ["firstHalf", "secondHalf"] as const) {
    if (sights.has(half)) tensors[half] = along((text) => halfRanks(text, isSpecial, half));
  }
  if (sights.has("masked")) {
    const own = alongRows(texts, starts, shape, data as Int32Array);
    tensors.maskedIds = own((text, i) => {
      const { epoch, item } = drawn[i]!;
      return maskedTokens(text, isSpecial, special, maskProbability, new Random(seed, "crossView", epoch, item));
    });
  }
  if (readsWords) {
    const places = texts.flatMap(({ words }, i) => Array.from(words, (word) => starts[i]! + word));
    const before = texts.flatMap(({ words }, i) => Array.from(words, (word) => starts[i]! + Math.max(0, word - 1)));
    const hasBefore = texts.flatMap(({ words }) => Array.from(words, (word) => (word > 0 ? 1 : 0)));
    const hasBehind = texts.flatMap(({ behind }) => Array.from(behind, (place) => (place >= 0 ? 1 : 0)));
    const behind = texts.flatMap((text, i) =>
      Array.from(text.behind, (place, n) => starts[i]! + (place >= 0 ? place : text.words[n]!)),
    );
    const count = places.length;
    Object.assign(tensors, {
      ...{ wordPlaces: list(places, 0), placesBefore: list(before, 0), placesBehind: list(behind, 0) },
      isWord: list(
        places.map(() => 1),
        0,
      ),
      ...{ hasBefore: list(hasBefore, 0), hasBehind: list(hasBehind, 0) },
    });
    lists.wordPlaces = { count, beside: { isWord: 0 } };
    lists.placesBefore = { count, beside: { hasBefore: 0 } };
    lists.placesBehind = { count, beside: { hasBehind: 0 } };
    counts.unlabelledWords = count;
  }
  if (readsTexts) {
    const isText = new Int32Array(firstTokens!.shape[0]!).fill(1, 0, texts.length);
    Object.assign(tensors, { firstTokens, lastTokens, isText: integers(isText, firstTokens!.shape) });
    lists.firstTokens = { count: texts.length, beside: { isText: 0 } };
    lists.lastTokens = { count: texts.length, beside: {} };
    counts.unlabelledTexts = texts.length;
  }
  return { ...batch, tensors, lists, counts, kind: UNLABELLED };
}
