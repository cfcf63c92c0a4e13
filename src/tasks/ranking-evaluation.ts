/** @file How high the candidates that answer a query stand among all of its candidates. */
import { type RankingReport, rankingReport } from "../evaluation/index.ts";
import type { Evaluation } from "../train/trainer.ts";
import type { RankedText, RankingData } from "./ranking-data.ts";

/** Figures of ranked candidates; queries without any relevant candidate count with 0. */
export interface RankingResult extends RankingReport {
  readonly numExamples: number;
  /** Nats of a relevant candidate against those of its query that are not, mean over relevant ones; 0 where none has any. */
  readonly loss: number;
  /** Share of queries whose best candidate is relevant. */
  readonly precisionAt1: number;
}

interface Scored extends Pick<RankedText, "label"> {
  readonly score: number;
}

/** −log of the share that a score has among others, by softmax. */
function nats(score: number, others: readonly number[], gamma: number): number {
  return Math.log(1 + others.reduce((sum, other) => sum + Math.exp(gamma * (other - score)), 0));
}

/**
 * @param logits for each example of `data` its score
 * @param gamma factor of the scores in the loss
 */
export function rankingResult(
  { examples, numQueries }: Pick<RankingData, "examples" | "numQueries">,
  logits: readonly Float32Array[],
  gamma: number,
): RankingResult {
  const queries = Array.from({ length: numQueries }, (): Scored[] => []);
  examples.forEach(({ query, label }, i) => {
    queries[query]!.push({ label, score: logits[i]![0]! });
  });
  // Where scores are equal, what is relevant stands last: a model that gives all the same score earns nothing by luck.
  const ranked = queries.map((candidates) => candidates.toSorted((a, b) => b.score - a.score || a.label - b.label));
  const report = rankingReport(ranked.map((candidates) => ({ ranked: candidates.map(({ label }) => label) })));
  let [loss, count] = [0, 0];
  for (const candidates of queries) {
    const others = candidates.filter(({ label }) => label === 0).map(({ score }) => score);
    if (others.length === 0) continue;
    for (const { label, score } of candidates) {
      if (label === 0) continue;
      loss += nats(score, others, gamma);
      count++;
    }
  }
  return {
    ...report,
    numExamples: examples.length,
    loss: count === 0 ? 0 : loss / count,
    precisionAt1: report.at.find(({ k }) => k === 1)!.precision,
  };
}

/** Names of the figures that {@link rankingTrainingFigures} gives. */
export const rankingFigures = ["mrr", "map", "precisionAt1", "loss"] as const;

/** The figures that a training run logs. */
export function rankingTrainingFigures({ loss, mrr, map, precisionAt1 }: RankingResult): Evaluation {
  return { loss, means: { mrr, map, precisionAt1 } };
}
