/**
 * Text into token ids: Firth beside `datasets.map` and Google BERT's data creation, and how time and memory grow with the
 * corpus: `npm run bench:data -- --work FOLDER [--python PATH] [--bert-python PATH] [--rounds 3]`.
 *
 * Builds the texts and the vocabulary in the work folder (4 GB) and leaves them there; sides take turns, every run is a process
 * of its own. Writes bench/results/data.md and its pictures.
 */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer } from "../src/tokenizers/load.ts";
import { type Comparison, dataPage, type GrowthPoint } from "./data/page.ts";
import { watchProgram } from "./data/process-tree.ts";
import { bertSide, datasetsSide, firthSide, runSide, type Side, type SideRun } from "./data/side.ts";
import { type TextForm, writeBookText } from "./data/text.ts";
import { load, median, root, writeResult } from "./section.mjs";

const { values: given } = parseArgs({
  options: {
    work: { type: "string" },
    python: { type: "string", default: process.env.FIRTH_PEER_PYTHON ?? "python3" },
    "bert-python": { type: "string", default: process.env.FIRTH_BERT_PYTHON ?? "" },
    rounds: { type: "string", default: "3" },
    mb: { type: "string", default: "1000" },
    "bert-mb": { type: "string", default: "100" },
    growth: { type: "string", default: "10,30,100,300,1000,2000" },
    entry: { type: "string", default: join(root, "dist", "cli", "main.js") },
    only: { type: "string", default: "datasets,bert,growth" },
  },
});
if (given.work === undefined) {
  console.error(
    "Usage: npm run bench:data -- --work FOLDER [--python PATH] [--bert-python PATH] [--rounds 3] [--mb 1000]",
  );
  process.exit(1);
}
const work = resolve(given.work);
const rounds = Number(given.rounds);
const parts = new Set(given.only.split(","));
const loadBefore = load();
const commands: string[][] = [];

/** A text of that size, made once. */
async function text(megabytes: number, form: TextForm): Promise<string> {
  const path = join(work, `${form}-${megabytes}.txt`);
  if (!existsSync(path)) await writeBookText(path, megabytes * 1e6, form);
  return path;
}

/** BERT's usual size of a vocabulary, learned from 40 MB of the text. */
async function tokenizerFolder(): Promise<string> {
  const folder = join(work, "tokenizer");
  if (!existsSync(folder)) {
    const learn = ["tokenizer", "train", "--input", await text(40, "sentences"), "--sentences", "line"];
    await watchProgram(process.execPath, [given.entry, ...learn, "--vocab-size", "30000", "--out", folder]);
  }
  return folder;
}

/** All sides on the same text by turns. */
async function compare(title: string, path: string, sides: readonly Side[], numRounds: number): Promise<Comparison> {
  const runs = sides.map((): SideRun[] => []);
  for (let round = 0; round < numRounds; round++) {
    for (const [i, side] of sides.entries()) {
      const run = await runSide(side, path, work);
      runs[i]!.push(run);
      console.error(`${title}, ${side.name}: ${run.seconds.toFixed(1)} s, ${(run.peakBytes / 1e6).toFixed(0)} MB`);
    }
  }
  for (const side of sides)
    commands.push([side.command === process.execPath ? "node" : "python", ...side.args(path, join(work, "out"))]);
  const told = runs.map(([first]) => first!.numTokens).filter((count) => count !== undefined);
  if (new Set(told).size > 1) throw new Error(`${title}: the sides do not do the same work; tokens ${told.join(", ")}`);
  return { title, bytes: statSync(path).size, rows: sides.map(({ name }, i) => ({ name, runs: runs[i]! })) };
}

const tokenizer = await tokenizerFolder();
await loadTokenizer(tokenizer);
const comparisons: Comparison[] = [];
if (parts.has("datasets")) {
  const lines = [
    firthSide(given.entry, tokenizer, "line"),
    datasetsSide(given.python, tokenizer, "processes"),
    datasetsSide(given.python, tokenizer, "threads"),
  ];
  const megabytes = Number(given.mb);
  comparisons.push(
    await compare(`${megabytes} MB, one sentence a line`, await text(megabytes, "sentences"), lines, rounds),
    await compare(
      `${megabytes} MB of pages: hard-wrapped lines joined, sentences found (no peer does this)`,
      await text(megabytes, "pages"),
      [firthSide(given.entry, tokenizer, "segment")],
      1,
    ),
  );
}
if (parts.has("bert") && given["bert-python"] !== "") {
  const megabytes = Number(given["bert-mb"]);
  const sides = [firthSide(given.entry, tokenizer, "line"), bertSide(given["bert-python"], tokenizer)];
  // Google's side takes a quarter of an hour: one turn says enough.
  comparisons.push(await compare(`${megabytes} MB, one sentence a line`, await text(megabytes, "sentences"), sides, 1));
}
const growth: GrowthPoint[] = [];
if (parts.has("growth")) {
  for (const megabytes of given.growth.split(",").map(Number)) {
    const path = await text(megabytes, "sentences");
    const numRounds = megabytes > 300 ? 1 : rounds;
    const runs: SideRun[] = [];
    for (let i = 0; i < numRounds; i++) runs.push(await runSide(firthSide(given.entry, tokenizer, "line"), path, work));
    const point = {
      megabytes,
      seconds: median(runs.map(({ seconds }) => seconds)),
      peakBytes: Math.max(...runs.map(({ peakBytes }) => peakBytes)),
    };
    growth.push(point);
    console.error(`${megabytes} MB: ${point.seconds.toFixed(1)} s, ${(point.peakBytes / 1e6).toFixed(0)} MB`);
  }
}
const page = dataPage({ comparisons, growth, rounds, loadBefore, commands, work });
for (const [name, content] of Object.entries(page)) writeResult(name, content);
await import("./report.mjs");
