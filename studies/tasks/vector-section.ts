/** @file How well networks search before anything is learnt: results, and their part of the report. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { starts } from "./start.ts";

/** The search of a FAQ with a network as it comes. */
export interface VectorRow {
  /** Name of the start. */
  readonly start: string;
  /** 0: the embeddings; −1: the last layer. */
  readonly layer: number;
  /** Mean reciprocal rank by cosine. */
  readonly mrr: number;
  /** The same after the mean vector was taken off questions and texts. */
  readonly centredMrr: number;
  /** Of questions with all texts. */
  readonly meanCosine: number;
}

interface VectorFile {
  readonly engine: string;
  readonly rows: readonly VectorRow[];
}

const fileOf = (folder: string): string => join(folder, "vectors.json");

export function writeVectorRows(folder: string, file: VectorFile): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(folder), `${JSON.stringify(file)}\n`);
}

/** The section; empty where nothing was measured. */
export function vectorSection(folder: string): string {
  if (!existsSync(fileOf(folder))) return "";
  const { engine, rows } = JSON.parse(readFileSync(fileOf(folder), "utf8")) as VectorFile;
  const shown = rows.map(({ start, layer, mrr, centredMrr, meanCosine }) => {
    const { title } = starts.find(({ name }) => name === start)!;
    const cells = [title, layer === 0 ? "embeddings" : "last layer", meanCosine.toFixed(2)];
    return `| ${[...cells, (100 * mrr).toFixed(1), (100 * centredMrr).toFixed(1)].join(" | ")} |`;
  });
  return `
## Searching a FAQ before anything is learnt

The same questions and entries as above, by cosines of mean vectors of networks as they come (${engine}). A network with new weights mixes
little and keeps words apart: the mean of its vectors is a bag of words under a random projection, and the questions share words with
their entries. A network taught next words holds at each place what may follow: texts whose words agree no longer lie together, and a short
training has to undo that first. *Centred*: without the mean vector, which all of a network's vectors share. (In the data 15 of the 925
held-out questions read question1 to question5.)

| network | vectors of | mean cosine | MRR | MRR, centred |
|---|---|---|---|---|
${shown.join("\n")}

    npx tsx studies/tasks/vectors.ts --here MODEL --minilm MINILM
`;
}
