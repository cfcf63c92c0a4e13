import { type BleuTokenizer, bleuTokenizers } from "./bleu-tokenizer.ts";
import { countMatches, countNGrams, type NGramCounts, numNGrams } from "./n-gram.ts";
import { trimEnd } from "./python-text.ts";
import { checkReferences, referenceCount } from "./references.ts";

/** What stands for an n-gram precision of 0: see Chen & Cherry 2014, whose methods 3, 1 and 2 these are. */
export type BleuSmoothing = "exp" | "floor" | "add-k" | "none";

export interface BleuOptions {
  /** Default `13a`. */
  readonly tokenize?: BleuTokenizer;
  /** Default `exp`. */
  readonly smoothing?: BleuSmoothing;
  /** Of `floor` (default 0.1) and `add-k` (default 1). */
  readonly smoothingValue?: number;
  /** Longest n-gram; default 4. */
  readonly maxOrder?: number;
  /** Leave out orders that the hypothesis is too short for. Default: for sentences, not for corpora. */
  readonly effectiveOrder?: boolean;
  /** Default false: case counts. */
  readonly lowercase?: boolean;
}

export interface BleuScore {
  /** 0 to 100. */
  readonly score: number;
  /** Matching n-grams of every order from 1; with what `add-k` adds. */
  readonly counts: readonly number[];
  /** N-grams of the hypotheses. */
  readonly totals: readonly number[];
  /** 0 to 100, smoothed. */
  readonly precisions: readonly number[];
  readonly brevityPenalty: number;
  /** Words of all hypotheses. */
  readonly hypothesisLength: number;
  /** Words of the references that are nearest to them in length. */
  readonly referenceLength: number;
  /** How it was counted, as sacrebleu writes it. */
  readonly signature: string;
}

/** The version of sacrebleu whose figures these equal: tests compare with it. */
export const sacrebleuVersion = "2.6.0";

const smoothingDefaults: Readonly<Record<BleuSmoothing, number | undefined>> = {
  exp: undefined,
  floor: 0.1,
  "add-k": 1,
  none: undefined,
};

interface Statistics {
  readonly counts: number[];
  readonly totals: number[];
  hypothesisLength: number;
  referenceLength: number;
}

/** The length nearest to the hypothesis's, and of two as near the shorter. */
function closestLength(length: number, lengths: readonly number[]): number {
  return lengths.reduce((best, other) => {
    const [near, far] = [Math.abs(length - other), Math.abs(length - best)];
    return near < far || (near === far && other < best) ? other : best;
  });
}

function addSegment(into: Statistics, hypothesis: readonly string[], references: readonly (readonly string[])[]): void {
  into.hypothesisLength += hypothesis.length;
  into.referenceLength += closestLength(
    hypothesis.length,
    references.map(({ length }) => length),
  );
  for (let order = 1; order <= into.counts.length; order++) {
    // An n-gram may match as often as it occurs in the reference that has most of it.
    const allowed: NGramCounts = new Map();
    for (const reference of references) {
      for (const [gram, count] of countNGrams(reference, order)) {
        allowed.set(gram, Math.max(count, allowed.get(gram) ?? 0));
      }
    }
    into.counts[order - 1]! += countMatches(countNGrams(hypothesis, order), allowed);
    into.totals[order - 1]! += numNGrams(hypothesis.length, order);
  }
}

function score(statistics: Statistics, options: BleuOptions): Omit<BleuScore, "signature"> {
  const { smoothing = "exp", effectiveOrder = false } = options;
  const k = options.smoothingValue ?? smoothingDefaults[smoothing] ?? 0;
  const { hypothesisLength, referenceLength } = statistics;
  const [counts, totals] = [[...statistics.counts], [...statistics.totals]];
  const precisions = counts.map(() => 0);
  const tooShort = hypothesisLength < referenceLength;
  const penalty = hypothesisLength === 0 ? 0 : Math.exp(1 - referenceLength / hypothesisLength);
  const brevityPenalty = tooShort ? penalty : 1;
  const result = { counts, totals, precisions, brevityPenalty, hypothesisLength, referenceLength };
  if (counts.every((count) => count === 0)) return { score: 0, ...result };
  let numOrders = counts.length;
  let halving = 1;
  for (let i = 0; i < counts.length; i++) {
    if (smoothing === "add-k" && i > 0) {
      counts[i]! += k;
      totals[i]! += k;
    }
    const total = totals[i]!;
    if (total === 0) break;
    if (effectiveOrder) numOrders = i + 1;
    if (counts[i]! > 0) precisions[i] = (100 * counts[i]!) / total;
    else if (smoothing === "exp") {
      halving *= 2;
      precisions[i] = 100 / (halving * total);
    } else if (smoothing === "floor") precisions[i] = (100 * k) / total;
  }
  // The logarithm of 0 is as good as −∞, so that one order without matches makes the score 0.
  const logarithms = precisions.slice(0, numOrders).map((p) => (p === 0 ? -9999999999 : Math.log(p)));
  const mean = logarithms.reduce((sum, x) => sum + x, 0) / numOrders;
  return { score: brevityPenalty * Math.exp(mean), ...result };
}

function signature(references: readonly (readonly string[])[], options: BleuOptions): string {
  const { tokenize = "13a", smoothing = "exp", effectiveOrder = false, lowercase = false } = options;
  const k = smoothingDefaults[smoothing] === undefined ? undefined : options.smoothingValue;
  const value = k ?? smoothingDefaults[smoothing];
  return [
    `nrefs:${referenceCount(references)}`,
    `case:${lowercase ? "lc" : "mixed"}`,
    `eff:${effectiveOrder ? "yes" : "no"}`,
    `tok:${tokenize}`,
    `smooth:${smoothing}${value === undefined ? "" : `[${value.toFixed(2)}]`}`,
    `version:${sacrebleuVersion}`,
  ].join("|");
}

/**
 * BLEU of a corpus: n-gram matches and lengths are summed over all texts, then scored once.
 * @param references one or several texts for every hypothesis, as many as there are
 * @throws {DataError} LENGTH_MISMATCH, REFERENCE_MISSING, DATA_EMPTY
 * @source Papineni et al. 2002; counted as sacrebleu does (Post 2018, arXiv:1804.08771)
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  checkReferences("corpusBleu", hypotheses, references);
  const { maxOrder = 4, lowercase = false, tokenize = "13a" } = options;
  const words = (text: string): string[] => bleuTokenizers[tokenize](trimEnd(lowercase ? text.toLowerCase() : text));
  const zeros = (): number[] => Array.from({ length: maxOrder }, () => 0);
  const statistics: Statistics = { counts: zeros(), totals: zeros(), hypothesisLength: 0, referenceLength: 0 };
  for (const [i, hypothesis] of hypotheses.entries())
    addSegment(statistics, words(hypothesis), references[i]!.map(words));
  return { ...score(statistics, options), signature: signature(references, options) };
}

/** What a text brings to the BLEU of its corpus. */
export type BleuPart = Pick<BleuScore, "counts" | "totals" | "hypothesisLength" | "referenceLength">;

/** BLEU of a corpus from the counts of its texts, as `sentenceBleu` gives them without smoothing by `add-k`; 0 for none. */
export function bleuOfParts(parts: readonly BleuPart[], options: BleuOptions = {}): number {
  const { maxOrder = 4 } = options;
  const zeros = (): number[] => Array.from({ length: maxOrder }, () => 0);
  const statistics: Statistics = { counts: zeros(), totals: zeros(), hypothesisLength: 0, referenceLength: 0 };
  for (const { counts, totals, hypothesisLength, referenceLength } of parts) {
    statistics.hypothesisLength += hypothesisLength;
    statistics.referenceLength += referenceLength;
    for (let i = 0; i < maxOrder; i++) {
      statistics.counts[i]! += counts[i] ?? 0;
      statistics.totals[i]! += totals[i] ?? 0;
    }
  }
  return score(statistics, options).score;
}

/**
 * BLEU of one text; orders that it is too short for are left out unless `effectiveOrder` is false.
 * @throws {DataError} REFERENCE_MISSING
 */
export function sentenceBleu(hypothesis: string, references: readonly string[], options: BleuOptions = {}): BleuScore {
  return corpusBleu([hypothesis], [references], { effectiveOrder: true, ...options });
}
