/**
 * Search: how fast an index is made and asked, and what a cross-encoder is worth beside stored vectors.
 *
 *   npx tsx bench/retrieval.ts --data FOLDER --model FOLDER [--work FOLDER] [--entries 100000] [--threads 2]
 *
 * --data holds the data sets, --model a pre-trained BERT-mini. In --work (a new folder that is removed, when left out) models
 * are fine-tuned once and kept. Writes bench/results/retrieval.md.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  evaluateCandidates,
  evaluateRetrieval,
  type JudgedQuestion,
  type RetrievalEvaluation,
} from "../src/api/evaluate-retrieval.ts";
import { openFaqBot, openPairScorer } from "../src/api/faq-bot.ts";
import { loadPretrained } from "../src/api/load.ts";
import { buildIndex, openIndex } from "../src/api/vector-index.ts";
import { openEngine } from "../src/runtime.ts";
import { crossEncoderOf, siameseOf } from "./retrieval/models.ts";
import { faqOf, memoryTable, shortTexts } from "./retrieval/texts.ts";
import { fixed, load, machine, median, today, writeResult } from "./section.mjs";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    ...{ data: text, model: text, work: text },
    entries: { ...text, default: "100000" },
    threads: { ...text, default: "2" },
    parts: { ...text, default: "index,faq,candidates" },
  },
});
const { data, model: start } = values;
if (data === undefined || start === undefined) throw new RangeError("--data and --model must name folders.");
const parts = new Set(values.parts.split(","));
const numEntries = Number(values.entries);
const threads = Number(values.threads);
const work = values.work ?? (await mkdtemp(join(os.tmpdir(), "firth-retrieval-")));
const engine = await openEngine({ threads });
const sections: string[] = [];
const say = (message: string): void => console.error(message);

/** Milliseconds of single questions. */
async function times(questions: readonly string[], ask: (question: string) => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  for (const question of questions) {
    const began = performance.now();
    await ask(question);
    taken.push(performance.now() - began);
  }
  return taken;
}

const p95 = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(0.95 * values.length)]!;

const texts = parts.has("index") || parts.has("candidates") ? await shortTexts(data, numEntries + 300) : [];
const asked = texts.filter((_, i) => i % Math.floor(texts.length / 200) === 0).slice(0, 200);

if (parts.has("index")) {
  const isAsked = new Set(asked);
  const stored = texts.filter((own) => !isAsked.has(own)).slice(0, numEntries);
  const folder = join(work, "speed.index");
  await rm(folder, { recursive: true, force: true });
  const model = await loadPretrained(start);
  const characters = stored.reduce((sum, own) => sum + own.length, 0) / stored.length;
  const before = load();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  const entries = memoryTable(
    "short texts",
    stored.map((own, i) => ({ id: `${i}`, text: own })),
  );
  const { index } = await buildIndex(folder, entries, { model, engine, neighbours: "never" });
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const processor = (user + system) / 1e6;
  const after = load();
  say(`${stored.length} entries in ${seconds.toFixed(1)} s`);
  await times(asked.slice(0, 10), (question) => index.search([question]));
  const whole = await times(asked, (question) => index.search([question]));
  const embedding = await times(asked, (question) => index.embed([question]));
  const queryLoad = load();
  await index.add(memoryTable("one more", [{ id: "more", text: "one more" }]), { neighbours: "always" });
  const { neighbours } = await index.info();
  const near = await times(asked, (question) => index.search([question]));
  await index.dispose();
  sections.push(`## Making and asking an index

${stored.length.toLocaleString("en-US")} distinct questions and short sentences of public sets (${characters.toFixed(0)} characters on average), BERT-mini, f32, ${threads} threads.

| | |
|---|---|
| making it | ${seconds.toFixed(1)} s, ${(stored.length / seconds).toFixed(0)} entries/s; ${processor.toFixed(1)} s of processor time (load average ${before} before, ${after} after) |
| a question, all vectors compared | median ${median(whole).toFixed(1)} ms, 95 % below ${p95(whole).toFixed(1)} ms (load average ${queryLoad}) |
| of which the question's vector | median ${median(embedding).toFixed(1)} ms |
| a question, nearest neighbours (${neighbours?.numProbes} of ${neighbours?.numPartitions} partitions, recall@10 ${((neighbours?.recall ?? 0) * 100).toFixed(1)} %) | median ${median(near).toFixed(1)} ms, 95 % below ${p95(near).toFixed(1)} ms |
`);
}

if (parts.has("faq") || parts.has("candidates")) {
  const faq = await faqOf(data);
  const place = { start, work, engine, dtype: "f32" as const, train: faq.train };
  const siamese = await siameseOf(place);
  const crossEncoder = await crossEncoderOf(place);
  const questions = faq.held.map(({ question, id }, i): JudgedQuestion => ({ question, relevant: [id], line: i + 1 }));

  if (parts.has("faq")) {
    const rows: string[] = [];
    const line = (name: string, { ranking, latency }: Pick<RetrievalEvaluation, "ranking" | "latency">): void => {
      const at = (k: number) => ranking.at.find((figures) => figures.k === k)!;
      const shown = [ranking.mrr, at(1).recall, at(5).recall, at(10).recall, at(10).ndcg].map((value) =>
        fixed(value, 3),
      );
      rows.push(`| ${name} | ${shown.join(" | ")} | ${latency.median.toFixed(1)} |`);
      say(rows.at(-1)!);
    };
    const models = { "pre-trained, mean": await loadPretrained(start), "fine-tuned in pairs": siamese };
    for (const [name, model] of Object.entries(models)) {
      const folder = join(work, `faq-${name.replaceAll(/\W+/g, "-")}.index`);
      await rm(folder, { recursive: true, force: true });
      const entries = memoryTable(
        "faq",
        faq.entries.map(({ id, answer }) => ({ id, text: answer })),
      );
      const { index } = await buildIndex(folder, entries, { model, engine });
      const plain = await openFaqBot(index, { numCandidates: 100 });
      line(name, await evaluateRetrieval(plain, questions));
      if (model === siamese) {
        const bot = await openFaqBot(index, { reranker: crossEncoder, engine, numCandidates: 20 });
        const evaluation = await evaluateRetrieval(bot, questions, { aim: { precision: 0.9 } });
        line("its first 20 read again by the cross-encoder", evaluation);
        const { precision, recall, answered } = evaluation.threshold;
        rows.push(
          "",
          `With a threshold for a precision of 90 %: precision ${fixed(precision, 3)}, recall ${fixed(recall, 3)}, ${fixed(100 * answered)} % of the questions answered.`,
        );
        await bot.dispose();
      }
      await index.dispose();
    }
    sections.push(`## A FAQ

DataTalks: ${faq.entries.length} entries; ${faq.train.length} questions to learn from, ${faq.held.length} held out. Both networks begin with the same BERT-mini.

| | MRR | recall@1 | recall@5 | recall@10 | nDCG@10 | ms a question |
|---|---|---|---|---|---|---|
${rows.join("\n")}
`);
  }

  if (parts.has("candidates")) {
    const others = texts.slice(0, numEntries - faq.entries.length);
    const folder = join(work, "candidates.index");
    await rm(folder, { recursive: true, force: true });
    const entries = [
      ...faq.entries.map(({ id, answer }) => ({ id, text: answer })),
      ...others.map((own, i) => ({ id: `other ${i}`, text: own })),
    ];
    const { index } = await buildIndex(folder, memoryTable("faq and others", entries), { model: siamese, engine });
    await index.dispose();
    const opened = await openIndex(folder, { model: siamese, engine });
    const scorer = await openPairScorer(crossEncoder, { engine });
    const counts = [10, 1_000, numEntries];
    const figures = await evaluateCandidates(opened, questions, { counts, scorer, maxQuestions: [200, 20, 2] });
    await scorer.dispose();
    await opened.dispose();
    const rows = figures.flatMap(({ count, numQuestions, siamese: near, crossEncoder: crossed }) =>
      (["Siamese", "cross-encoder"] as const).map((name) => {
        const { ranking, latency } = name === "Siamese" ? near : crossed!;
        const at = ranking.at.find(({ k }) => k === 10)!;
        return `| ${count.toLocaleString("en-US")} | ${name} | ${numQuestions} | ${fixed(ranking.mrr, 3)} | ${fixed(ranking.at[0]!.recall, 3)} | ${fixed(at.ndcg, 3)} | ${latency.median.toFixed(1)} |`;
      }),
    );
    sections.push(`## Cross-encoder against stored vectors

The right answer among as many entries drawn at random: DataTalks' answers and short texts of other sets. The Siamese network's
time is that of the question's vector and of comparing it with all stored ones; the cross-encoder reads every pair. Load average
${load()}. At ${numEntries.toLocaleString("en-US")} candidates the cross-encoder takes too long for more than a few questions.

| candidates | network | questions | MRR | recall@1 | nDCG@10 | ms a question |
|---|---|---|---|---|---|---|
${rows.join("\n")}
`);
  }
}
await engine.dispose();
if (values.work === undefined) await rm(work, { recursive: true, force: true });

writeResult(
  "retrieval.md",
  `# Search

Written by \`npx tsx bench/retrieval.ts --data FOLDER --model FOLDER\` on ${today()}; do not edit.

- Machine: ${machine()}.
- Model: BERT-mini, pre-trained as in \`studies/bert-mini-english\`; LanceDB for the index.

${sections.join("\n")}`,
);
console.log(sections.join("\n"));
