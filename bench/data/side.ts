/** @file The programs that turn a text into token ids, each with what it is told and what it tells. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../section.mjs";
import { lastJson, type TreeUsage, watchProgram } from "./process-tree.ts";

/** One way to do the work. */
export interface Side {
  readonly name: string;
  readonly command: string;
  args(text: string, out: string): readonly string[];
}

/** What one run took. */
export interface SideRun extends Omit<TreeUsage, "stdout"> {
  /** Undefined where the side does not say. */
  readonly numTokens: number | undefined;
  readonly numSentences: number | undefined;
}

export function firthSide(entry: string, tokenizer: string, sentences: "line" | "segment", threads?: number): Side {
  const loader = entry.endsWith(".ts") ? ["--import", "tsx"] : [];
  const count = threads === undefined ? [] : ["--threads", String(threads)];
  return {
    name: `Firth, sentences: ${sentences}${threads === undefined ? "" : `, ${threads} threads`}`,
    command: process.execPath,
    args: (text, out) => [
      ...[...loader, entry, "data", "prepare", "--input", text, "--tokenizer", tokenizer, "--out", out],
      ...["--sentences", sentences, ...count, "--json"],
    ],
  };
}

export function datasetsSide(python: string, tokenizer: string, how: "processes" | "threads"): Side {
  const script = join(root, "bench", "peers", "datasets_map.py");
  return {
    name: `datasets.map, ${how === "processes" ? "a process a core" : "threads of the tokenizer"}`,
    command: python,
    args: (text, out) => [script, text, tokenizer, out, ...(how === "threads" ? ["--rayon"] : [])],
  };
}

export function bertSide(python: string, tokenizer: string): Side {
  const script = join(root, "bench", "peers", "bert_create_data.py");
  return {
    name: "create_pretraining_data.py",
    command: python,
    args: (text, out) => [script, text, join(tokenizer, "vocab.txt"), `${out}.tfrecord`],
  };
}

/** Runs a side once into a place that is removed afterwards. */
export async function runSide(side: Side, text: string, work: string): Promise<SideRun> {
  const out = join(work, `out-${process.pid}`);
  const clean = () => {
    for (const path of [out, `${out}.tfrecord`]) rmSync(path, { recursive: true, force: true });
  };
  mkdirSync(work, { recursive: true });
  clean();
  try {
    const { stdout, ...usage } = await watchProgram(side.command, side.args(text, out));
    const told = lastJson(stdout);
    const number = (key: string) => (typeof told[key] === "number" ? told[key] : undefined);
    return { ...usage, numTokens: number("numTokens"), numSentences: number("numSentences") };
  } finally {
    clean();
  }
}
