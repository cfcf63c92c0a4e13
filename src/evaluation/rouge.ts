import { DataError } from "../base/errors.ts";
import { checkSameLength } from "./check.ts";
import { commonLength, commonPositions } from "./longest-common-subsequence.ts";
import { countMatches, countNGrams, numNGrams } from "./n-gram.ts";
import { porterStem } from "./porter-stemmer.ts";

/** `rouge1`…`rouge9` compare n-grams, `rougeL` the longest common subsequence, `rougeLsum` that of the lines of a summary. */
export type RougeKind = `rouge${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | "L" | "Lsum"}`;

export interface RougeOptions<K extends RougeKind = RougeKind> {
  /** Default: rouge1, rouge2, rougeL, rougeLsum. */
  readonly kinds?: readonly K[];
  /** Compare stems of words of more than three letters, by Porter's algorithm; default false. */
  readonly stem?: boolean;
}

/** Shares from 0 to 1. */
export interface RougeScore {
  readonly precision: number;
  readonly recall: number;
  readonly fmeasure: number;
}

export type RougeScores<K extends RougeKind = RougeKind> = Readonly<Record<K, RougeScore>>;

const usualKinds = ["rouge1", "rouge2", "rougeL", "rougeLsum"] as const;

/** Runs of the letters a–z and digits, in lower case; everything else separates. */
function wordsOf(text: string, stem: boolean): string[] {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return stem ? words.map((word) => (word.length > 3 ? porterStem(word) : word)) : words;
}

function scoreOf(hits: number, predicted: number, expected: number): RougeScore {
  const precision = hits / Math.max(predicted, 1);
  const recall = hits / Math.max(expected, 1);
  const sum = precision + recall;
  return { precision, recall, fmeasure: sum > 0 ? (2 * precision * recall) / sum : 0 };
}

const total = (lines: readonly (readonly string[])[]): number => lines.reduce((sum, { length }) => sum + length, 0);

/**
 * For every line of the reference the union of its common subsequences with all lines of the prediction; a word counts as
 * often as both texts have it.
 */
function summaryHits(reference: readonly (readonly string[])[], prediction: readonly (readonly string[])[]): number {
  const [left, right] = [countNGrams(reference.flat(), 1), countNGrams(prediction.flat(), 1)];
  let hits = 0;
  for (const line of reference) {
    const union = new Set(prediction.flatMap((other) => commonPositions(line, other)));
    for (const position of [...union].sort((a, b) => a - b)) {
      const word = line[position]!;
      const [a, b] = [left.get(word) ?? 0, right.get(word) ?? 0];
      if (a === 0 || b === 0) continue;
      hits++;
      left.set(word, a - 1);
      right.set(word, b - 1);
    }
  }
  return hits;
}

function compare(kind: RougeKind, prediction: string, reference: string, stem: boolean): RougeScore {
  if (kind === "rougeLsum") {
    const lines = (text: string): string[][] =>
      text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => wordsOf(line, stem));
    const [own, other] = [lines(prediction), lines(reference)];
    return scoreOf(summaryHits(other, own), total(own), total(other));
  }
  const [own, other] = [wordsOf(prediction, stem), wordsOf(reference, stem)];
  if (kind === "rougeL") return scoreOf(commonLength(other, own), own.length, other.length);
  const order = Number(kind.slice("rouge".length));
  const hits = countMatches(countNGrams(other, order), countNGrams(own, order));
  return scoreOf(hits, numNGrams(own.length, order), numNGrams(other.length, order));
}

/**
 * ROUGE of one text. Only the letters a–z and digits count: other scripts have to be written in words of these first.
 * @param options.kinds of `rougeLsum`, lines are sentences
 * @source Lin 2004; counted as the package rouge-score does (google-research/rouge)
 */
export function rouge<K extends RougeKind = (typeof usualKinds)[number]>(
  prediction: string,
  reference: string,
  options: RougeOptions<K> = {},
): RougeScores<K> {
  const { kinds = usualKinds as readonly RougeKind[] as readonly K[], stem = false } = options;
  return Object.fromEntries(kinds.map((kind) => [kind, compare(kind, prediction, reference, stem)])) as RougeScores<K>;
}

/**
 * Mean ROUGE over texts: of precisions, recalls and F-measures by themselves.
 * @throws {DataError} LENGTH_MISMATCH, DATA_EMPTY
 */
export function meanRouge<K extends RougeKind = (typeof usualKinds)[number]>(
  predictions: readonly string[],
  references: readonly string[],
  options: RougeOptions<K> = {},
): RougeScores<K> {
  checkSameLength("meanRouge", predictions, references);
  if (predictions.length === 0) {
    throw new DataError("there are no predictions. Pass at least one.", { code: "DATA_EMPTY", path: "meanRouge" });
  }
  const all = predictions.map((prediction, i) => rouge(prediction, references[i]!, options));
  const mean = (kind: K, figure: keyof RougeScore): number =>
    all.reduce((sum, scores) => sum + scores[kind][figure], 0) / all.length;
  const kinds = Object.keys(all[0]!) as K[];
  const scores = kinds.map((kind) => {
    const score: RougeScore = {
      precision: mean(kind, "precision"),
      recall: mean(kind, "recall"),
      fmeasure: mean(kind, "fmeasure"),
    };
    return [kind, score] as const;
  });
  return Object.fromEntries(scores) as RougeScores<K>;
}
