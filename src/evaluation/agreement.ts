import { DataError } from "../base/errors.ts";
import type { ConfusionMatrix } from "./confusion.ts";

/** What a disagreement costs: the same for all (`none`), or by how far classes are apart, in their order. */
export type KappaWeights = "none" | "linear" | "quadratic";

const costs: Readonly<Record<KappaWeights, (distance: number) => number>> = {
  none: (distance) => (distance === 0 ? 0 : 1),
  linear: Math.abs,
  quadratic: (distance) => distance ** 2,
};

/**
 * Cohen's kappa: agreement beyond what chance would give two raters with these shares of the classes.
 * @param matrix `[C, C]`, first rater by second
 * @returns at most 1; 0 for chance; NaN for no rows, and where both name one and the same class only
 * @throws {DataError} NO_CLASSES
 * @source Cohen 1960; scikit-learn `cohen_kappa_score`
 */
export function cohenKappa(matrix: ConfusionMatrix, weights: KappaWeights = "none"): number {
  if (matrix.length === 0) {
    throw new DataError("agreement needs a class at least; got a matrix of none. Name the classes.", {
      code: "NO_CLASSES",
      path: "cohenKappa",
    });
  }
  const cost = costs[weights];
  const first = matrix.map((row) => row.reduce((sum, count) => sum + count, 0));
  const second = matrix.map((_, index) => matrix.reduce((sum, row) => sum + row[index]!, 0));
  const total = first.reduce((sum, count) => sum + count, 0);
  let observed = 0;
  let expected = 0;
  for (let i = 0; i < matrix.length; i++) {
    for (let j = 0; j < matrix.length; j++) {
      observed += cost(i - j) * matrix[i]![j]!;
      expected += (cost(i - j) * first[i]! * second[j]!) / total;
    }
  }
  return 1 - observed / expected;
}
