/** @file How well scores put the positive rows before the others, over all thresholds. */
import { checkClass, checkSameLength } from "./check.ts";
import { averageRanks } from "./correlation.ts";

function checkRows(where: string, labels: ArrayLike<number>, scores: ArrayLike<number>): boolean {
  checkSameLength(where, labels, scores);
  for (let row = 0; row < labels.length; row++) checkClass(`${where}.labels`, labels[row]!, row, 2);
  for (let row = 0; row < scores.length; row++) if (Number.isNaN(scores[row])) return false;
  return true;
}

/**
 * Area under the ROC curve: the chance that a positive row has a higher score than a negative one, ties counted half.
 * @param labels `[N]`, 1 for positive rows, else 0
 * @param scores `[N]`, of being positive; only their order counts
 * @returns in `[0, 1]`; NaN where all rows are of one class, there are none, or a score is NaN
 * @throws {DataError} LENGTH_MISMATCH, CLASS_OUT_OF_RANGE
 * @source scikit-learn `roc_auc_score` for two classes
 */
export function rocAuc(labels: ArrayLike<number>, scores: ArrayLike<number>): number {
  if (!checkRows("rocAuc", labels, scores)) return Number.NaN;
  const ranks = averageRanks(scores);
  let positives = 0;
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    if (labels[row] !== 1) continue;
    positives++;
    sum += ranks[row]!;
  }
  const negatives = labels.length - positives;
  if (positives === 0 || negatives === 0) return Number.NaN;
  return (sum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/**
 * Average precision: Σ (Rₙ − Rₙ₋₁) Pₙ over all thresholds, without interpolation; rows of equal scores come in at once.
 * @param labels `[N]`, 1 for positive rows, else 0
 * @param scores `[N]`, of being positive; only their order counts
 * @returns in `[0, 1]`; 0 where no row is positive; NaN for no rows or a score that is NaN
 * @throws {DataError} LENGTH_MISMATCH, CLASS_OUT_OF_RANGE
 * @source scikit-learn `average_precision_score` for two classes
 */
export function averagePrecision(labels: ArrayLike<number>, scores: ArrayLike<number>): number {
  if (!checkRows("averagePrecision", labels, scores) || labels.length === 0) return Number.NaN;
  const order = Array.from({ length: labels.length }, (_, row) => row).sort((a, b) =>
    // Differences of infinities are NaN.
    scores[a] === scores[b] ? 0 : scores[b]! - scores[a]!,
  );
  let positives = 0;
  for (let row = 0; row < labels.length; row++) positives += labels[row]!;
  let hits = 0;
  let sum = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    let found = 0;
    for (; end < order.length && scores[order[end]!] === scores[order[start]!]; end++) found += labels[order[end]!]!;
    hits += found;
    sum += found * (hits / end);
    start = end;
  }
  return positives === 0 ? 0 : sum / positives;
}
