/**
 * Search: how fast an index is made and asked, and what a cross-encoder is worth beside stored vectors.
 *
 *   npx tsx bench/retrieval.ts --data FOLDER --model FOLDER --work FOLDER [--parts index,query,faq,candidates]
 *     [--entries 100000] [--counts 10,1000,100000] [--asked 200] [--crossed 50]
 *     [--pairs all] [--engine auto|onnx|onednn] [--dtype f32|bf16] [--threads 2] [--out FOLDER]
 *
 * --data holds the data sets, --model a pre-trained model, e.g. a BERT-mini. In --work are kept: the indexes, the two networks
 * that are fine-tuned for the FAQ, and what was measured, so that a part that was broken off goes on. Every part writes its
 * own section of bench/results/retrieval.md (--out: of another folder's) when it is done. Parts `index` and `query` are
 * measured anew each time; they want a machine that does nothing else.
 */
import { parseArgs } from "node:util";
import { ConfigError } from "../src/base/errors.ts";
import type { ComputeDType } from "../src/ir/dtype.ts";
import { type EngineChoice, openEngine } from "../src/runtime.ts";
import { measureCandidates } from "./retrieval/candidates-part.ts";
import { measureFaq } from "./retrieval/faq-part.ts";
import { measureIndex } from "./retrieval/index-part.ts";
import { type PartFacts, type PartName, partNames, writePart } from "./retrieval/page.ts";
import { modelText, openPlace, type Place } from "./retrieval/place.ts";
import { measureQuery } from "./retrieval/query-part.ts";
import { shellCommand } from "./section.mjs";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    ...{ data: text, model: text, work: text, out: text },
    parts: { ...text, default: partNames.join(",") },
    entries: { ...text, default: "100000" },
    counts: text,
    asked: { ...text, default: "200" },
    pairs: { ...text, default: "all" },
    crossed: { ...text, default: "50" },
    engine: { ...text, default: "auto" },
    dtype: { ...text, default: "f32" },
    threads: { ...text, default: "2" },
  },
});

/** What is wrong with the command line, all together. */
const issues: { path: string; message: string; code: string }[] = [];
const need = (name: "data" | "model" | "work"): string => {
  const value = values[name];
  if (value === undefined) issues.push({ path: `--${name}`, message: "must name a folder.", code: "CONFIG_MISSING" });
  return value ?? "";
};
const whole = (path: string, word: string): number => {
  const value = Number(word);
  const isGood = Number.isInteger(value) && value >= 1;
  if (!isGood) issues.push({ path, message: `must be a whole number ≥ 1; got ${word}.`, code: "CONFIG_RANGE" });
  return value;
};
const wanted = values.parts.split(",");
for (const name of wanted) {
  if ((partNames as readonly string[]).includes(name)) continue;
  issues.push({ path: "--parts", message: `must be of ${partNames.join(", ")}; got ${name}.`, code: "CONFIG_VALUE" });
}
const numEntries = whole("--entries", values.entries);
const settings = {
  ...{ data: need("data"), start: need("model"), work: need("work"), numEntries },
  threads: whole("--threads", values.threads),
  dtype: values.dtype as ComputeDType,
  numPairs: values.pairs === "all" ? Number.POSITIVE_INFINITY : whole("--pairs", values.pairs),
  numAsked: whole("--asked", values.asked),
  numCrossed: whole("--crossed", values.crossed),
  counts: (values.counts ?? [10, 1_000, numEntries].join(",")).split(",").map((word) => whole("--counts", word)),
};
if (issues.length > 0) throw new ConfigError("bench/retrieval", issues);

const measures: { readonly [K in PartName]: (place: Place) => Promise<PartFacts[K]> } = {
  index: measureIndex,
  query: measureQuery,
  faq: measureFaq,
  candidates: measureCandidates,
};

async function measure<K extends PartName>(part: K, place: Place): Promise<void> {
  const facts = await measures[part](place);
  const { data: _data, model: _model, work: _work, out, parts: _parts, ...given } = values;
  const words = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  const folders = ["--data", "FOLDER", "--model", "FOLDER", "--work", "FOLDER"];
  const command = shellCommand(["npx", "tsx", "bench/retrieval.ts", ...folders, "--parts", part, ...words]);
  console.log(writePart(part, facts, { command, model: modelText(place), folder: out }));
}

const engine = await openEngine({ engine: values.engine as EngineChoice, threads: settings.threads });
try {
  const place = await openPlace({ ...settings, engine });
  for (const part of partNames) if (wanted.includes(part)) await measure(part, place);
} finally {
  await engine.dispose();
}
