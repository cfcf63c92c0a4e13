/** @file Part `index`: how long making an index of short texts takes, and where the time goes. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openEmbedder } from "../../src/api/embed.ts";
import type { VectorIndex } from "../../src/api/vector-index.ts";
import { count } from "../../src/cli/number-text.ts";
import { type Effort, type Place, say, timed } from "./place.ts";
import { memoryTable, shortTexts } from "./texts.ts";
import { wholeIndex } from "./whole-index.ts";

/** Texts whose vectors are made without an index, to tell what the rest costs. */
const ALONE = 10_000;

export interface IndexFacts extends Effort {
  readonly numEntries: number;
  readonly characters: number;
  readonly tokens: number;
  readonly threads: number;
  readonly engine: string;
  readonly dtype: string;
  /** Vectors alone, without an index: texts, and seconds. */
  readonly alone: { readonly numTexts: number; readonly seconds: number };
}

/** Texts of the large index, and others that are asked for. */
export async function largeTexts({ data, numEntries, numAsked }: Place): Promise<{
  readonly stored: readonly string[];
  readonly asked: readonly string[];
}> {
  const texts = await shortTexts(data, numEntries + numAsked);
  const every = Math.max(1, Math.floor(texts.length / numAsked));
  const asked = texts.filter((_, i) => i % every === 0).slice(0, numAsked);
  const isAsked = new Set(asked);
  return { asked, stored: texts.filter((own) => !isAsked.has(own)).slice(0, numEntries) };
}

const folderOf = ({ work, numEntries }: Place): string => join(work, `short-texts-${numEntries}.index`);

/** The large index, open; it is made where it is not there, or not whole. */
export function largeIndex(place: Place, stored: readonly string[]): Promise<VectorIndex> {
  const { model, engine, dtype } = place;
  const rows = stored.map((text, i) => ({ id: `${i}`, text }));
  return wholeIndex(folderOf(place), memoryTable("short texts", rows), {
    ...{ model, engine, dtype, neighbours: "never" },
    onProgress: ({ done }) => say(`  ${count(done)} entries`),
  });
}

/** Makes the index anew, whatever there is. */
export async function measureIndex(place: Place): Promise<IndexFacts> {
  const { stored } = await largeTexts(place);
  const { model, engine, dtype, threads } = place;
  const sample = stored.slice(0, ALONE);
  const embedder = await openEmbedder(model, { engine, dtype });
  // Graphs for the shapes of rows are compiled first, as they are in a long run.
  await embedder.embed(sample);
  const [, alone] = await timed(() => embedder.embed(sample));
  await embedder.dispose();
  await rm(folderOf(place), { recursive: true, force: true });
  const [, effort] = await timed(async () => (await largeIndex(place, stored)).dispose());
  const encoded = await model.tokenizer.encodeIds([...stored]);
  return {
    ...effort,
    numEntries: stored.length,
    characters: stored.reduce((sum, { length }) => sum + length, 0) / stored.length,
    tokens: encoded.reduce((sum, { ids }) => sum + ids.length, 0) / stored.length,
    ...{ threads, dtype, engine: engine.name },
    alone: { numTexts: sample.length, seconds: alone.seconds },
  };
}

export function indexPage(facts: IndexFacts): string {
  const { numEntries, seconds, processor, loads, alone, characters, tokens } = facts;
  const whole = numEntries / seconds;
  const bare = alone.numTexts / alone.seconds;
  return `## Making an index

${count(numEntries)} distinct questions and short sentences of public sets (${characters.toFixed(0)} characters, ${tokens.toFixed(1)} word pieces on average) with
${facts.engine} in ${facts.dtype}, ${facts.threads} threads.

| | |
|---|---|
| making it | ${seconds.toFixed(1)} s, ${count(whole)} entries/s; ${processor.toFixed(1)} s of processor time (load average ${loads[0]} before, ${loads[1]} after) |
| vectors alone, ${count(alone.numTexts)} of the texts | ${count(bare)} texts/s |
| share of the time that is not vectors | ${(100 * Math.max(0, 1 - whole / bare)).toFixed(0)} % |
`;
}
