/** @file Part `candidates`: a cross-encoder beside stored vectors, over numbers of candidates. */
import { join } from "node:path";
import {
  type CandidateFigures,
  evaluateCandidates,
  evaluateRetrieval,
  type JudgedQuestion,
  type RetrievalEvaluation,
} from "../../src/api/evaluate-retrieval.ts";
import { openFaqBot, openPairScorer } from "../../src/api/faq-bot.ts";
import { count } from "../../src/cli/number-text.ts";
import { fixed, load } from "../section.mjs";
import { crossEncoderOf, siameseOf } from "./models.ts";
import { kept, type Place } from "./place.ts";
import { faqOf, memoryTable, shortTexts } from "./texts.ts";
import { wholeIndex } from "./whole-index.ts";

/** Pairs that the cross-encoder reads at each number of candidates, at most so many questions, at least one. */
const PAIRS = 50_000;
const MOST_QUESTIONS = 200;
/** Candidates that it reads again behind the index. */
const REREAD = 50;

export interface CandidatesFacts {
  readonly figures: readonly CandidateFigures[];
  readonly twoStages: Pick<RetrievalEvaluation, "ranking" | "latency" | "numQuestions">;
  readonly numEntries: number;
  readonly load: string;
}

export async function measureCandidates(place: Place): Promise<CandidatesFacts> {
  const { data, work, engine, dtype, numEntries, counts } = place;
  const faq = await faqOf(data, place.numPairs);
  const making = { ...place, train: faq.train };
  const siamese = await siameseOf(making);
  const crossEncoder = await crossEncoderOf(making);
  const questions = faq.held.map(({ question, id }, i): JudgedQuestion => ({ question, relevant: [id], line: i + 1 }));
  const others = await shortTexts(data, Math.max(0, numEntries - faq.entries.length));
  const rows = [
    ...faq.entries.map(({ id, answer }) => ({ id, text: answer })),
    ...others.map((text, i) => ({ id: `other ${i}`, text })),
  ].slice(0, numEntries);
  const there = new Set(rows.map(({ id }) => id));
  const answerable = questions.filter(({ relevant }) => relevant.every((id) => there.has(id)));
  const table = memoryTable("faq and others", rows);
  const folder = join(work, `candidates-${numEntries}.index`);
  const index = await wholeIndex(folder, table, { model: siamese, engine, dtype });
  const scorer = await openPairScorer(crossEncoder, { engine, dtype });
  const bot = await openFaqBot(index, {
    reranker: crossEncoder,
    engine,
    dtype,
    numCandidates: REREAD,
    threshold: null,
  });
  try {
    const figures: CandidateFigures[] = [];
    for (const wanted of counts) {
      const maxQuestions = Math.max(1, Math.min(MOST_QUESTIONS, Math.floor(PAIRS / wanted)));
      const measure = async () =>
        (await evaluateCandidates(index, answerable, { counts: [wanted], scorer, maxQuestions }))[0]!;
      figures.push(await kept(place, `candidates ${wanted}`, measure));
    }
    const twoStages = await kept(place, "candidates two stages", async () => {
      const { ranking, latency, numQuestions } = await evaluateRetrieval(bot, answerable.slice(0, MOST_QUESTIONS));
      return { ranking, latency, numQuestions };
    });
    return { figures, twoStages, numEntries: rows.length, load: load() };
  } finally {
    await bot.dispose();
    await scorer.dispose();
    await index.dispose();
  }
}

export function candidatesPage({ figures, twoStages, numEntries, load: atEnd }: CandidatesFacts): string {
  const row = (
    candidates: number,
    name: string,
    questions: number,
    { ranking, latency }: CandidateFigures["siamese"],
  ) => {
    const at = ranking.at.find(({ k }) => k === 10)!;
    const cells = [ranking.mrr, ranking.at[0]!.recall, at.recall, at.ndcg].map((value) => fixed(value, 3));
    return `| ${count(candidates)} | ${name} | ${questions} | ${cells.join(" | ")} | ${latency.median.toFixed(1)} | ${latency.p95.toFixed(1)} |`;
  };
  const rows = figures.flatMap(({ count: candidates, numQuestions, siamese, crossEncoder }) => [
    row(candidates, "Siamese, vectors stored", numQuestions, siamese),
    row(candidates, "cross-encoder", numQuestions, crossEncoder!),
  ]);
  rows.push(row(numEntries, `index, first ${REREAD} read by the cross-encoder`, twoStages.numQuestions, twoStages));
  return `## Cross-encoder against stored vectors

The right answer among so many entries drawn at random: DataTalks' answers and short texts of other sets. The Siamese network's
time is that of the question's vector and of comparing it with all stored ones in memory; the cross-encoder reads every pair, so it
is asked the fewer questions the more candidates there are: with one to three its quality says nothing. Load average ${atEnd}.

| candidates | network | questions | MRR | recall@1 | recall@10 | nDCG@10 | ms a question | 95 % below |
|---|---|---|---|---|---|---|---|---|
${rows.join("\n")}
`;
}
