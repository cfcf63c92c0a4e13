/** @file How well an index answers questions whose answers are known, how fast, and from which score on it should answer. */
import { DataError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { type ColumnRef, cellText, cellValue, type TableRow, type TableSource } from "../data/table.ts";
import {
  type AnswerThreshold,
  chooseAnswerThreshold,
  type HeldOutThreshold,
  heldOutThreshold,
  type RankedResults,
  type RankingReport,
  rankingReport,
  type ThresholdAim,
} from "../evaluation/index.ts";
import { productsWith, vectorTable } from "../tasks/nearest.ts";
import type { FaqBot, PairScorer } from "./faq-bot.ts";
import type { VectorIndex } from "./vector-index.ts";

export interface QuestionColumns {
  /** `question` by default. */
  readonly questionColumn?: ColumnRef | undefined;
  /** Id, or list of ids, of the entries that answer; empty where none does; `id` by default. */
  readonly relevantColumn?: ColumnRef | undefined;
}

/** A question, and the ids of the entries that answer it. */
export interface JudgedQuestion {
  readonly question: string;
  readonly relevant: readonly string[];
  readonly line: number;
}

/** Milliseconds of a question. */
export interface Latency {
  readonly median: number;
  /** 95 of 100 questions take no longer. */
  readonly p95: number;
}

/** Figures of an index on questions whose answers are known. */
export interface RetrievalEvaluation {
  readonly numQuestions: number;
  /** Candidates that were looked at: figures count answers further down as not found. */
  readonly numCandidates: number;
  /** In the order that is given to a user. */
  readonly ranking: RankingReport;
  /** In the order of the vectors. */
  readonly retrieval: RankingReport;
  /** A question at a time: all, and its two stages. */
  readonly latency: Latency;
  readonly retrieveLatency: Latency;
  readonly rerankLatency: Latency;
  /** Chosen on all the questions, with its figures on them: better than users will see. */
  readonly threshold: AnswerThreshold;
  /** What such a threshold gives on questions that it was not chosen on; undefined for fewer than ten questions. */
  readonly heldOutThreshold: HeldOutThreshold | undefined;
}

/** Depths of the figures. */
const DEPTHS = [1, 3, 5, 10] as const;

function latencyOf(milliseconds: readonly number[]): Latency {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { median: at(0.5), p95: at(0.95) };
}

function relevantOf(row: TableRow, column: ColumnRef, file: string): string[] {
  const value = cellValue(row, column, file);
  if (value === null || value === "") return [];
  if (!Array.isArray(value)) return [cellText(row, column, file).trim()];
  return value.map((id) => {
    if (typeof id === "string" || typeof id === "number") return String(id);
    throw new DataError(`line ${row.line}: column ${column} must hold ids; got ${JSON.stringify(id)}.`, {
      code: "CELL_NOT_TEXT",
      path: file,
    });
  });
}

/**
 * Reads questions whose answers are known.
 * @throws {DataError} TEXT_EMPTY, COLUMN_UNKNOWN, CELL_NOT_TEXT
 */
export async function readQuestions(
  source: TableSource,
  { questionColumn = "question", relevantColumn = "id" }: QuestionColumns = {},
): Promise<JudgedQuestion[]> {
  const questions: JudgedQuestion[] = [];
  for await (const row of source.rows()) {
    const question = cellText(row, questionColumn, source.name);
    if (question.trim() === "") {
      throw new DataError(`line ${row.line}: the question in column ${questionColumn} is empty. Remove the row.`, {
        code: "TEXT_EMPTY",
        path: source.name,
        details: { line: row.line },
      });
    }
    questions.push({ question, relevant: relevantOf(row, relevantColumn, source.name), line: row.line });
  }
  return questions;
}

function judged(order: readonly string[], relevant: readonly string[]): RankedResults {
  const wanted = new Set(relevant);
  return { ranked: order.map((id) => (wanted.has(id) ? 1 : 0)), judged: [...wanted].map(() => 1) };
}

/**
 * Asks questions one at a time and compares what is found with what is known.
 * @param aim what the threshold is chosen for; the best F1 by default
 * @throws {DataError} DATA_EMPTY
 */
export async function evaluateRetrieval(
  bot: Pick<FaqBot, "ask">,
  questions: readonly JudgedQuestion[],
  { aim = "f1", onProgress }: { readonly aim?: ThresholdAim; readonly onProgress?: (done: number) => void } = {},
): Promise<RetrievalEvaluation> {
  if (questions.length === 0) {
    throw new DataError("there are no questions.", { code: "DATA_EMPTY", path: "evaluateRetrieval" });
  }
  const [final, first]: [RankedResults[], RankedResults[]] = [[], []];
  const [retrieve, rerank]: [number[], number[]] = [[], []];
  const best: { readonly score: number; readonly isRight: boolean; readonly isAnswerable: boolean }[] = [];
  let numCandidates = 0;
  // What a first question costs once is no part of the times.
  await bot.ask([questions[0]!.question]);
  for (const [i, { question, relevant }] of questions.entries()) {
    const [found] = await bot.ask([question], (times) => {
      retrieve.push(times.retrieve);
      rerank.push(times.rerank);
    });
    const { candidates } = found!;
    numCandidates = Math.max(numCandidates, candidates.length);
    const bySimilarity = candidates.toSorted((a, b) => b.similarity - a.similarity || (a.id < b.id ? -1 : 1));
    final.push(
      judged(
        candidates.map(({ id }) => id),
        relevant,
      ),
    );
    first.push(
      judged(
        bySimilarity.map(({ id }) => id),
        relevant,
      ),
    );
    const [top] = candidates;
    best.push({
      score: top?.score ?? Number.NEGATIVE_INFINITY,
      isRight: top !== undefined && relevant.includes(top.id),
      isAnswerable: relevant.length > 0,
    });
    onProgress?.(i + 1);
  }
  // Questions without an answer count for the threshold alone.
  const answerable = (results: readonly RankedResults[]) => results.filter((_, i) => questions[i]!.relevant.length > 0);
  return {
    numQuestions: questions.length,
    numCandidates,
    ranking: rankingReport(answerable(final), DEPTHS),
    retrieval: rankingReport(answerable(first), DEPTHS),
    latency: latencyOf(retrieve.map((time, i) => time + rerank[i]!)),
    retrieveLatency: latencyOf(retrieve),
    rerankLatency: latencyOf(rerank),
    threshold: chooseAnswerThreshold(best, aim),
    heldOutThreshold: heldOutThreshold(best, aim),
  };
}

export interface CandidateOptions {
  /** How many entries a question is to be told from; those that answer it are among them. */
  readonly counts: readonly number[];
  /** A cross-encoder to compare with. */
  readonly scorer?: PairScorer | undefined;
  /** Questions at each count; all by default. For the cross-encoder a list as long as `counts`. */
  readonly maxQuestions?: number | readonly number[] | undefined;
  /** Of the draw of questions and candidates; 1 by default. */
  readonly seed?: number | undefined;
}

/** Quality and time at one number of candidates. */
export interface CandidateFigures {
  readonly count: number;
  readonly numQuestions: number;
  /** The vectors' own: the question's vector made, all candidates' stored ones compared. */
  readonly siamese: { readonly ranking: RankingReport; readonly latency: Latency };
  readonly crossEncoder: { readonly ranking: RankingReport; readonly latency: Latency } | undefined;
}

/** Numbers of entries without some, drawn without repetition. */
function drawOthers(count: number, total: number, without: ReadonlySet<number>, random: Random): number[] {
  const wanted = Math.min(count, total - without.size);
  if (wanted > total / 2) {
    const all = Array.from({ length: total }, (_, i) => i).filter((i) => !without.has(i));
    for (let i = 0; i < wanted; i++) {
      const other = i + random.nextInt(all.length - i);
      [all[i], all[other]] = [all[other]!, all[i]!];
    }
    return all.slice(0, wanted);
  }
  const drawn = new Set<number>();
  while (drawn.size < wanted) {
    const item = random.nextInt(total);
    if (!without.has(item)) drawn.add(item);
  }
  return [...drawn];
}

/**
 * Compares a Siamese network, whose vectors lie ready, with a cross-encoder that reads every pair, over numbers of
 * candidates: those that answer and others drawn at random. The entries of the index are held in memory.
 * @throws {DataError} ID_UNKNOWN where an answer is not in the index
 */
export async function evaluateCandidates(
  index: VectorIndex,
  questions: readonly JudgedQuestion[],
  { counts, scorer, maxQuestions, seed = 1 }: CandidateOptions,
): Promise<CandidateFigures[]> {
  const [ids, texts, vectors]: [Map<string, number>, string[], Float32Array[]] = [new Map(), [], []];
  for await (const { id, text, vector } of index.entries()) {
    ids.set(id, texts.length);
    texts.push(text);
    vectors.push(vector);
  }
  const table = vectorTable(vectors.splice(0), (await index.info()).model.dimension);
  const names = [...ids.keys()];
  const answerable = questions.filter(({ relevant }) => relevant.length > 0);
  const results: CandidateFigures[] = [];
  for (const [place, count] of counts.entries()) {
    const most = typeof maxQuestions === "object" ? maxQuestions[place] : maxQuestions;
    const asked = drawOthers(
      most ?? answerable.length,
      answerable.length,
      new Set(),
      new Random(seed, "questions"),
    ).map((q) => answerable[q]!);
    const [near, crossed]: [RankedResults[], RankedResults[]] = [[], []];
    const [nearTimes, crossTimes]: [number[], number[]] = [[], []];
    for (const { question, relevant, line } of asked) {
      const right = relevant.map((id) => {
        const number = ids.get(id);
        if (number !== undefined) return number;
        throw new DataError(`line ${line}: no entry of the index has the id ${JSON.stringify(id)}.`, {
          code: "ID_UNKNOWN",
          path: index.folder,
        });
      });
      const random = new Random(seed, "candidates", question);
      const items = [...right, ...drawOthers(count - right.length, texts.length, new Set(right), random)];
      const ranked = (scores: ArrayLike<number>): RankedResults => {
        const order = items
          .map((item, i) => ({ item, score: scores[i]! }))
          .sort((a, b) => b.score - a.score || a.item - b.item);
        return judged(
          order.map(({ item }) => names[item]!),
          relevant,
        );
      };
      let began = performance.now();
      const [vector] = await index.embed([question]);
      const products = productsWith(table, vector!, items);
      near.push(ranked(products));
      nearTimes.push(performance.now() - began);
      if (scorer === undefined) continue;
      began = performance.now();
      crossed.push(ranked(await scorer.score(items.map((item) => [question, texts[item]!] as const))));
      crossTimes.push(performance.now() - began);
    }
    results.push({
      count: Math.min(count, texts.length),
      numQuestions: asked.length,
      siamese: { ranking: rankingReport(near, DEPTHS), latency: latencyOf(nearTimes) },
      crossEncoder: scorer && { ranking: rankingReport(crossed, DEPTHS), latency: latencyOf(crossTimes) },
    });
  }
  return results;
}
