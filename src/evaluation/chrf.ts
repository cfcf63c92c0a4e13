import { sacrebleuVersion } from "./bleu.ts";
import { countMatches, countNGrams, type NGramCounts, numNGrams } from "./n-gram.ts";
import { splitWords } from "./python-text.ts";
import { checkReferences, referenceCount } from "./references.ts";

export interface ChrfOptions {
  /** Longest n-gram of characters; default 6. */
  readonly charOrder?: number;
  /** Longest n-gram of words; default 0, none. 2 makes it chrF++. */
  readonly wordOrder?: number;
  /** How much more recall weighs than precision; default 2. */
  readonly beta?: number;
  readonly lowercase?: boolean;
}

export interface ChrfScore {
  /** 0 to 100. */
  readonly score: number;
  /** How it was counted, as sacrebleu writes it. */
  readonly signature: string;
}

const punctuation = new Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");

/** Words with a mark at one end cut off: the last character first. */
function wordsAndMarks(text: string): string[] {
  return splitWords(text).flatMap((word) => {
    const characters = [...word];
    if (characters.length === 1) return [word];
    const [first, last] = [characters[0]!, characters.at(-1)!];
    if (punctuation.has(last)) return [characters.slice(0, -1).join(""), last];
    return punctuation.has(first) ? [first, characters.slice(1).join("")] : [word];
  });
}

interface Grams {
  readonly counts: NGramCounts;
  readonly total: number;
}

/** The n-grams of every order: characters without spaces, then words. */
function gramsOf(text: string, charOrder: number, wordOrder: number): Grams[] {
  const upTo = (items: readonly string[], highest: number): Grams[] =>
    Array.from({ length: highest }, (_, i) => ({
      counts: countNGrams(items, i + 1),
      total: numNGrams(items.length, i + 1),
    }));
  return [...upTo([...splitWords(text).join("")], charOrder), ...upTo(wordsAndMarks(text), wordOrder)];
}

/** For every order: n-grams of the hypothesis, of the reference, and in both. */
type Statistics = readonly (readonly [hypothesis: number, reference: number, matches: number])[];

function compare(hypothesis: readonly Grams[], reference: readonly Grams[]): Statistics {
  return hypothesis.map((own, i) => {
    const other = reference[i]!;
    return [other.total === 0 ? 0 : own.total, other.total, countMatches(own.counts, other.counts)];
  });
}

/** F-score of the mean precision and the mean recall over the orders that both texts have. */
function fScore(statistics: Statistics, beta: number): number {
  const orders = statistics.filter(([hypothesis, reference]) => hypothesis > 0 && reference > 0);
  if (orders.length === 0) return 0;
  let [precision, recall] = [0, 0];
  for (const [hypothesis, reference, matches] of orders) {
    precision += matches / hypothesis;
    recall += matches / reference;
  }
  precision /= orders.length;
  recall /= orders.length;
  if (precision + recall === 0) return 0;
  const factor = beta ** 2;
  return (100 * ((1 + factor) * precision * recall)) / (factor * precision + recall);
}

/**
 * chrF of a corpus: character n-grams that hypotheses and references share, summed over all texts. Of several references the
 * one that scores best counts.
 * @throws {DataError} LENGTH_MISMATCH, REFERENCE_MISSING, DATA_EMPTY
 * @source Popović 2015 and 2017 (chrF++); counted as sacrebleu does
 */
export function corpusChrf(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: ChrfOptions = {},
): ChrfScore {
  const { charOrder = 6, wordOrder = 0, beta = 2, lowercase = false } = options;
  checkReferences("corpusChrf", hypotheses, references);
  const prepare = (text: string): Grams[] => gramsOf(lowercase ? text.toLowerCase() : text, charOrder, wordOrder);
  const totals = Array.from({ length: charOrder + wordOrder }, (): [number, number, number] => [0, 0, 0]);
  for (const [i, hypothesis] of hypotheses.entries()) {
    const own = prepare(hypothesis);
    let best: Statistics | undefined;
    let bestScore = -1;
    for (const reference of references[i]!) {
      const statistics = compare(own, prepare(reference));
      const found = fScore(statistics, beta);
      if (found <= bestScore) continue;
      bestScore = found;
      best = statistics;
    }
    for (const [order, row] of best!.entries())
      row.forEach((x, column) => {
        totals[order]![column]! += x;
      });
  }
  const signature = [
    `nrefs:${referenceCount(references)}`,
    `case:${lowercase ? "lc" : "mixed"}`,
    "eff:yes",
    `nc:${charOrder}`,
    `nw:${wordOrder}`,
    "space:no",
    `version:${sacrebleuVersion}`,
  ].join("|");
  return { score: fScore(totals, beta), signature };
}
