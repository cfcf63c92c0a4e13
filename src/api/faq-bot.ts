/** @file Answers to questions in two stages: the nearest entries of an index, put in order by a network that reads both texts. */
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import type { FoundEntry } from "../retrieval/entry-store.ts";
import { softmax } from "../tasks/classification-evaluation.ts";
import { isRegression } from "../tasks/regression-data.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import type { TextClassifier } from "./model.ts";
import { openTextScorer, type PredictOptions, type TextScorer } from "./text-scorer.ts";
import type { VectorIndex } from "./vector-index.ts";

export interface FaqBotOptions
  extends Pick<PredictOptions, "engine" | "dtype" | "batchSize" | "quantize" | "onNotice"> {
  /** A cross-encoder: a classifier, or a model of numbers, of pairs (question, text). Without it the index's order stands. */
  readonly reranker?: TextClassifier | undefined;
  /** The class of a classifier that says that a text answers; its last one by default. */
  readonly positiveLabel?: string | undefined;
  /** Entries that the index gives; 50 with a re-ranker, 10 without. */
  readonly numCandidates?: number | undefined;
  /** From which score on an answer is given; null: always; that of the index, if it has one for this re-ranker, by default. */
  readonly threshold?: number | null | undefined;
  /** Compare all entries of the index; false by default. */
  readonly isExact?: boolean | undefined;
}

/** An entry that may answer. */
export interface AnswerEntry extends FoundEntry {
  /** Cosine of its vector with the question's. */
  readonly similarity: number;
}

/** What is found to a question. */
export interface FaqAnswer {
  readonly question: string;
  /** The best candidate; null where its score is below the threshold, or the index is empty. */
  readonly answer: AnswerEntry | null;
  /** By their scores, best first: of the re-ranker, or cosines. */
  readonly candidates: readonly AnswerEntry[];
}

/** How long the stages of one call took, in milliseconds. */
export interface StageTimes {
  readonly retrieve: number;
  readonly rerank: number;
}

/** An index with a re-ranker, ready for many calls; dispose it when done. The index stays open. */
export interface FaqBot {
  readonly threshold: number | null;
  /** Names the re-ranker; null without one. */
  readonly reranker: string | null;
  /**
   * Answers to questions, in their order.
   * @param onTimes is told how long the stages took
   * @throws {DataError} TEXT_EMPTY
   */
  ask(questions: readonly string[], onTimes?: (times: StageTimes) => void): Promise<FaqAnswer[]>;
  dispose(): Promise<void>;
}

/** Names a cross-encoder by what decides its scores. */
export function rerankerFingerprint({ family, config, weights, tokenizer }: TextClassifier): string {
  return fingerprintOf({ family: family.name, config, weights: weightsHash(weights), tokenizer: tokenizer.hash });
}

function check(
  { numCandidates, threshold }: { readonly numCandidates: number; readonly threshold: number | null | undefined },
  { reranker, positiveLabel }: FaqBotOptions,
): void {
  const issues: ConfigIssue[] = [];
  if (!(Number.isInteger(numCandidates) && numCandidates >= 1)) {
    const message = `must be a whole number ≥ 1; got ${numCandidates}.`;
    issues.push({ path: "numCandidates", message, code: "CONFIG_RANGE" });
  }
  if (typeof threshold === "number" && Number.isNaN(threshold)) {
    issues.push({ path: "threshold", message: "must be a number; got NaN.", code: "CONFIG_RANGE" });
  }
  if (positiveLabel !== undefined && reranker?.labels.includes(positiveLabel) !== true) {
    const message = `must be a class of the re-ranker (${reranker?.labels.join(", ") ?? "there is none"}); got ${JSON.stringify(positiveLabel)}.`;
    issues.push({ path: "positiveLabel", message, code: "CONFIG_UNKNOWN_VALUE" });
  }
  if (issues.length > 0) throw new ConfigError("faqBot", issues);
}

/** Gives scores to pairs of texts. */
export interface PairScorer {
  score(pairs: readonly (readonly [string, string])[]): Promise<number[]>;
  dispose(): Promise<void>;
}

/** A cross-encoder's scores: the probability of its positive class, or its number. */
export async function openPairScorer(
  reranker: TextClassifier,
  { positiveLabel, ...options }: PredictOptions & { readonly positiveLabel?: string | undefined } = {},
): Promise<PairScorer> {
  const scorer: TextScorer = await openTextScorer(reranker, options);
  const positive = positiveLabel === undefined ? reranker.labels.length - 1 : reranker.labels.indexOf(positiveLabel);
  const isNumber = isRegression(reranker.preserved);
  return {
    score: async (pairs) => {
      const scores = await scorer.scores(await scorer.encode(pairs));
      return scores.map((own) => (isNumber ? own[0]! : softmax(own)[positive]!));
    },
    dispose: () => scorer.dispose(),
  };
}

/** @throws {DataError} TEXT_EMPTY */
function requireQuestions(questions: readonly string[]): void {
  const place = questions.findIndex((question) => question.trim() === "");
  if (place === -1) return;
  const which = questions.length === 1 ? "the question" : `question ${place + 1}`;
  throw new DataError(`${which} is empty. Ask something, or leave it out.`, { code: "TEXT_EMPTY", path: "ask" });
}

/**
 * Puts a re-ranker beside an index.
 * @throws {ConfigError} all problems together
 */
export async function openFaqBot(index: VectorIndex, options: FaqBotOptions = {}): Promise<FaqBot> {
  const { reranker, isExact = false, threshold: given, numCandidates = reranker === undefined ? 10 : 50 } = options;
  check({ numCandidates, threshold: given }, options);
  const name = reranker === undefined ? null : rerankerFingerprint(reranker);
  const kept = (await index.info()).threshold;
  // A threshold for other scores says nothing about these.
  const own = kept !== null && kept.reranker === name ? kept.value : null;
  const threshold = given === undefined ? own : given;
  const { engine, dtype, batchSize, quantize, onNotice, positiveLabel } = options;
  const scorer =
    reranker && (await openPairScorer(reranker, { engine, dtype, batchSize, quantize, onNotice, positiveLabel }));
  return {
    threshold,
    reranker: name,
    ask: async (questions, onTimes) => {
      requireQuestions(questions);
      const began = performance.now();
      const found = await index.search(questions, { count: numCandidates, isExact });
      const retrieved = performance.now();
      const pairs = found.flatMap((entries, q) => entries.map(({ text }) => [questions[q]!, text] as const));
      const scores = scorer && (await scorer.score(pairs));
      let at = 0;
      const answers = questions.map((question, q): FaqAnswer => {
        const candidates = found[q]!.map((entry) => {
          const score = scores?.[at++] ?? entry.score;
          return { ...entry, similarity: entry.score, score };
        }).sort((a, b) => b.score - a.score || b.similarity - a.similarity || (a.id < b.id ? -1 : 1));
        const [best] = candidates;
        const isSure = best !== undefined && (threshold === null || best.score >= threshold);
        return { question, answer: isSure ? best : null, candidates };
      });
      onTimes?.({ retrieve: retrieved - began, rerank: performance.now() - retrieved });
      return answers;
    },
    dispose: async () => scorer?.dispose(),
  };
}
