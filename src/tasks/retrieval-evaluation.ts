/** @file How well vectors find what belongs to a question. */
import { pearsonCorrelation, type RankingReport, rankingReport, spearmanCorrelation } from "../evaluation/index.ts";
import { allItems, nearest, type VectorTable } from "./nearest.ts";
import type { RetrievalLoss } from "./retrieval.ts";

/** Depths at which figures of searches are given. */
export const rankingDepths = [1, 3, 5, 10] as const;

/** Figures of a search over all passages of a table, by the names that a run logs. */
export type RankingFigures = Readonly<Record<"mrr" | "map" | "recall1" | "recall5" | "recall10" | "ndcg10", number>>;

/** What a retrieval model's vectors are worth on held-out pairs. */
export interface RetrievalResult {
  /** Of the training loss, without dropout. */
  readonly loss: number;
  /** By name: see {@link retrievalFigures}. */
  readonly figures: Readonly<Record<string, number>>;
  /** Where questions were searched for: the whole report. */
  readonly ranking: RankingReport | undefined;
}

/** Names of the figures of each loss; the first is what decides by default. */
export const retrievalFigures: Readonly<Record<RetrievalLoss, readonly string[]>> = {
  inBatchNegatives: ["mrr", "map", "recall1", "recall5", "recall10", "ndcg10", "accuracy", "loss"],
  cosine: ["spearman", "pearson", "loss"],
  classification: ["accuracy", "loss"],
};

/** What a ranking of all passages says, by the names that a run logs. */
export function rankingFigures({ mrr, map, at }: RankingReport): RankingFigures {
  const depth = (k: number) => at.find((figures) => figures.k === k)!;
  return {
    mrr,
    map,
    recall1: depth(1).recall,
    recall5: depth(5).recall,
    recall10: depth(10).recall,
    ndcg10: depth(10).ndcg,
  };
}

export interface SearchCase {
  readonly vector: Float32Array;
  /** Groups that answer it. */
  readonly relevant: ReadonlySet<number>;
}

/**
 * Searches all passages for each question: a group stands where its best passage stands.
 * @param groups which group each passage of the table belongs to
 */
export function searchReport(
  cases: readonly SearchCase[],
  table: VectorTable,
  groups: readonly number[],
): RankingReport {
  const items = allItems(groups.length);
  return rankingReport(
    cases.map(({ vector, relevant }) => {
      const order = new Set(nearest(table, vector, groups.length, items).map(({ item }) => groups[item]!));
      const ranked = [...order].map((group) => (relevant.has(group) ? 1 : 0));
      return { ranked, judged: [...relevant].map(() => 1) };
    }),
    rankingDepths,
  );
}

/** Correlations of cosines with scores; 0 where one side is constant. */
export function cosineFigures(scores: readonly number[], cosines: readonly number[]): Readonly<Record<string, number>> {
  const defined = (value: number): number => (Number.isNaN(value) ? 0 : value);
  return {
    spearman: defined(spearmanCorrelation(scores, cosines)),
    pearson: defined(pearsonCorrelation(scores, cosines)),
  };
}
