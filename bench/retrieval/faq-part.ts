/** @file Part `faq`: what a Siamese network, a cross-encoder and both are worth on the questions of a FAQ. */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { EmbeddingModel } from "../../src/api/embed.ts";
import {
  evaluateCandidates,
  evaluateRetrieval,
  type JudgedQuestion,
  type Latency,
  type RetrievalEvaluation,
} from "../../src/api/evaluate-retrieval.ts";
import { openFaqBot, openPairScorer } from "../../src/api/faq-bot.ts";
import type { TextClassifier } from "../../src/api/model.ts";
import { buildIndex, type VectorIndex } from "../../src/api/vector-index.ts";
import { count } from "../../src/cli/number-text.ts";
import type { RankingReport } from "../../src/evaluation/index.ts";
import { fixed, load } from "../section.mjs";
import { crossEncoderOf, siameseOf } from "./models.ts";
import { kept, type Place } from "./place.ts";
import { type FaqEntry, faqOf, memoryTable } from "./texts.ts";

/** Candidates that the cross-encoder reads again. */
const REREAD = 20;
/** Precision that a threshold is to have. */
const PRECISION = 0.9;
/** One of so many entries is taken out, for questions without an answer. */
const TAKEN_OUT = 5;

interface Row {
  readonly name: string;
  readonly ranking: RankingReport;
  readonly latency: Latency;
  readonly numQuestions: number;
}

type Thresholds = Pick<RetrievalEvaluation, "threshold" | "heldOutThreshold">;

export interface FaqFacts {
  readonly numEntries: number;
  readonly numTrain: number;
  readonly load: string;
  readonly rows: readonly Row[];
  readonly gaps: readonly (Thresholds & { readonly name: string; readonly numUnanswerable: number })[];
}

/** Runs work with an index of entries that is made for it. */
async function withEntries<T>(
  { work, engine, dtype }: Place,
  name: string,
  entries: readonly FaqEntry[],
  model: EmbeddingModel,
  use: (index: VectorIndex) => Promise<T>,
): Promise<T> {
  const folder = join(work, `${name}.index`);
  await rm(folder, { recursive: true, force: true });
  const rows = entries.map(({ id, answer }) => ({ id, text: answer }));
  const { index } = await buildIndex(folder, memoryTable(name, rows), { model, engine, dtype });
  try {
    return await use(index);
  } finally {
    await index.dispose();
  }
}

/** What an index finds, with or without a re-ranker. */
async function evaluated(
  { engine, dtype }: Place,
  index: VectorIndex,
  questions: readonly JudgedQuestion[],
  reranker?: TextClassifier,
): Promise<RetrievalEvaluation> {
  const bot = await openFaqBot(index, {
    ...{ engine, dtype, threshold: null, numCandidates: reranker === undefined ? 100 : REREAD },
    ...(reranker === undefined ? {} : { reranker }),
  });
  try {
    return await evaluateRetrieval(bot, questions, { aim: { precision: PRECISION } });
  } finally {
    await bot.dispose();
  }
}

export async function measureFaq(place: Place): Promise<FaqFacts> {
  const { entries, train, held } = await faqOf(place.data, place.numPairs);
  const making = { ...place, train };
  const siamese = await siameseOf(making);
  const crossEncoder = await crossEncoderOf(making);
  const questions = held.map(({ question, id }, i): JudgedQuestion => ({ question, relevant: [id], line: i + 1 }));
  const models = { "pre-trained, mean of the tokens": place.model, Siamese: siamese };
  const rows: Row[] = [];
  for (const [name, model] of Object.entries(models)) {
    const ask = (index: VectorIndex) => evaluated(place, index, questions);
    rows.push({
      name,
      ...(await kept(place, `faq ${name}`, () => withEntries(place, "faq", entries, model, ask))),
    });
  }
  const twoStages = `Siamese, its first ${REREAD} read again`;
  const both = (index: VectorIndex) => evaluated(place, index, questions, crossEncoder);
  rows.push({
    name: twoStages,
    ...(await kept(place, "faq two stages", () => withEntries(place, "faq", entries, siamese, both))),
  });

  const crossed = await kept(place, `faq cross-encoder ${place.numCrossed}`, () =>
    withEntries(place, "faq", entries, siamese, async (index) => {
      const scorer = await openPairScorer(crossEncoder, { engine: place.engine, dtype: place.dtype });
      const options = { counts: [entries.length], scorer, maxQuestions: place.numCrossed };
      const [figures] = await evaluateCandidates(index, questions, options);
      await scorer.dispose();
      return figures!;
    }),
  );
  const { numQuestions } = crossed;
  rows.push({ name: "Siamese", ...crossed.siamese, numQuestions });
  rows.push({ name: "cross-encoder, all entries", ...crossed.crossEncoder!, numQuestions });

  const left = entries.filter((_, i) => i % TAKEN_OUT !== 0);
  const there = new Set(left.map(({ id }) => id));
  const someWithout = questions.map((own) => ({ ...own, relevant: own.relevant.filter((id) => there.has(id)) }));
  const numUnanswerable = someWithout.filter(({ relevant }) => relevant.length === 0).length;
  const gaps: FaqFacts["gaps"][number][] = [];
  for (const [name, reranker] of [["Siamese", undefined] as const, [twoStages, crossEncoder] as const]) {
    const ask = (index: VectorIndex) => evaluated(place, index, someWithout, reranker);
    const evaluation = await kept(place, `faq gaps ${name}`, () => withEntries(place, "gaps", left, siamese, ask));
    const { threshold, heldOutThreshold } = evaluation;
    gaps.push({ name, numUnanswerable, threshold, heldOutThreshold });
  }
  return { numEntries: entries.length, numTrain: train.length, load: load(), rows, gaps };
}

export function faqPage({ numEntries, numTrain, load: atEnd, rows, gaps }: FaqFacts): string {
  const shown = rows.map(({ name, ranking, latency, numQuestions }) => {
    const at = (k: number) => ranking.at.find((figures) => figures.k === k)!;
    const figures = [ranking.mrr, at(1).recall, at(5).recall, at(10).recall, at(10).ndcg].map((value) =>
      fixed(value, 3),
    );
    return `| ${name} | ${count(numQuestions)} | ${figures.join(" | ")} | ${latency.median.toFixed(1)} |`;
  });
  const share = (value: number | undefined): string => (value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
  const thresholds = gaps.map(({ name, threshold, heldOutThreshold: other }) => {
    const value = `${threshold.threshold.toPrecision(3)}${threshold.isReached ? "" : " (does not reach it)"}`;
    const chosen = [value, share(threshold.precision), share(threshold.answered)];
    const cells = [...chosen, share(other?.precision), share(other?.recall), share(other?.answered)];
    return `| ${name} | ${cells.join(" | ")} |`;
  });
  const [first] = gaps;
  return `## A FAQ

DataTalks: ${count(numEntries)} entries, ${count(numTrain)} questions to learn from; the others are held out. All networks begin with the same model. A
question's words are looked for in the entries' questions and answers. The cross-encoder reads every pair of a question and an
entry, so it is asked fewer questions; beside it the Siamese network on the same ones. It learns from each right pair, from a wrong one that the Siamese network takes
for right, and from one with any other entry. Load average at the end ${atEnd}.

| | questions | MRR | recall@1 | recall@5 | recall@10 | nDCG@10 | ms a question |
|---|---|---|---|---|---|---|---|
${shown.join("\n")}

“No answer”: every ${TAKEN_OUT}th entry is taken out, so that ${count(first?.numUnanswerable ?? 0)} of the held-out questions have none. The threshold is chosen for a precision
of ${share(PRECISION)}; “other questions” are those that it was not chosen on (five parts, each judged by the threshold of the others).

| | threshold | precision | answered | precision, other questions | recall, other | answered, other |
|---|---|---|---|---|---|---|
${thresholds.join("\n")}
`;
}
