/** @file Part `query`: how long a question to a large index takes. */
import type { VectorIndex } from "../../src/api/vector-index.ts";
import { count } from "../../src/cli/number-text.ts";
import { load } from "../section.mjs";
import { largeIndex, largeTexts } from "./index-part.ts";
import { type Place, timed } from "./place.ts";
import { memoryTable } from "./texts.ts";

/** Milliseconds of single questions, one after the other. */
export interface Times {
  readonly median: number;
  readonly p95: number;
  readonly worst: number;
}

export interface QueryFacts {
  readonly numEntries: number;
  readonly numAsked: number;
  /** Milliseconds until an index is open, and of the first question. */
  readonly opening: number;
  readonly first: number;
  readonly exact: Times;
  readonly embedding: Times;
  readonly near: Times;
  readonly neighbours: { readonly numProbes: number; readonly numPartitions: number; readonly recall: number };
  readonly load: string;
}

/** Questions asked before the clock runs. */
const WARM = 10;

async function timesOf(questions: readonly string[], ask: (question: string) => Promise<unknown>): Promise<Times> {
  for (const question of questions.slice(0, WARM)) await ask(question);
  const taken: number[] = [];
  for (const question of questions) {
    const began = performance.now();
    await ask(question);
    taken.push(performance.now() - began);
  }
  taken.sort((a, b) => a - b);
  const at = (share: number): number => taken[Math.min(taken.length - 1, Math.floor(share * taken.length))]!;
  return { median: at(0.5), p95: at(0.95), worst: taken.at(-1)! };
}

/** An index of nearest neighbours in the index, made where there is none. */
async function withNeighbours(index: VectorIndex): Promise<QueryFacts["neighbours"]> {
  if ((await index.info()).neighbours === null) {
    const more = memoryTable("one more", [{ id: "one more", text: "one more" }]);
    await index.add(more, { neighbours: "always", existing: "replace" });
  }
  const { neighbours } = await index.info();
  if (neighbours === null) throw new RangeError("--entries: there are too few for an index of nearest neighbours.");
  return neighbours;
}

export async function measureQuery(place: Place): Promise<QueryFacts> {
  const { stored, asked } = await largeTexts(place);
  // Made first, if need be, so that opening is nothing but that.
  await (await largeIndex(place, stored)).dispose();
  const [index, opening] = await timed(() => largeIndex(place, stored));
  try {
    const [, first] = await timed(() => index.search([asked[0]!]));
    const exact = await timesOf(asked, (question) => index.search([question], { isExact: true }));
    const embedding = await timesOf(asked, (question) => index.embed([question]));
    const neighbours = await withNeighbours(index);
    const near = await timesOf(asked, (question) => index.search([question]));
    return {
      ...{ exact, embedding, near, neighbours, load: load() },
      numEntries: stored.length,
      numAsked: asked.length,
      opening: 1000 * opening.seconds,
      first: 1000 * first.seconds,
    };
  } finally {
    await index.dispose();
  }
}

export function queryPage(facts: QueryFacts): string {
  const { exact, embedding, near, neighbours } = facts;
  const row = (name: string, { median, p95, worst }: Times): string =>
    `| ${name} | ${median.toFixed(1)} | ${p95.toFixed(1)} | ${worst.toFixed(1)} |`;
  const recall = `${neighbours.numProbes} of ${neighbours.numPartitions} partitions, recall@10 ${(100 * neighbours.recall).toFixed(1)} %`;
  return `## Asking an index

${count(facts.numAsked)} questions, one at a time, to ${count(facts.numEntries)} entries; from a question's words to the ten nearest entries (load average ${facts.load}).
An index is open after ${count(facts.opening)} ms; its first question takes ${count(facts.first)} ms.

| ms a question | median | 95 % below | worst |
|---|---|---|---|
${row("all vectors compared", exact)}
${row(`nearest neighbours (${recall})`, near)}
${row("of which the question's vector", embedding)}
`;
}
