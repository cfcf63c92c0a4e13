/**
 * DNA by a model of text whose symbols are random tokens (Kao & Lee 2021, arXiv:2103.07162), beside the same network with new
 * rows for the symbols, and from scratch: UCI's splice junctions (3 classes) or E. coli promoters (2 classes).
 *
 *     npx tsx studies/symbols/run.ts MODEL DATA splice|promoters [--seeds 1,2,3] [--epochs 5] [--per-token 1] [--start NAME]
 *         [--engine onednn --dtype bf16 --threads 1]
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { Random } from "../../src/base/random.ts";
import { finetune, loadTokenizer, symbolVocabulary, textClassification } from "../../src/index.ts";
import { testTable } from "../../src/tasks/testing.ts";
import { engineOptions, studyEngine } from "../engine.ts";

const option = { type: "string" } as const;
const { values, positionals } = parseArgs({
  options: { seeds: option, epochs: option, "per-token": option, start: option, ...engineOptions },
  allowPositionals: true,
});
const [model = "", data = "../shared/data", name = "splice"] = positionals;
const { seeds: seedList = "1,2,3", epochs = "5", "per-token": width = "1", start: chosen = "all" } = values;

type Row = { readonly text: string; readonly label: string };

async function splice(): Promise<Row[]> {
  const text = await readFile(join(data, "dna_splice_uci", "splice.data"), "utf8");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const [label, , sequence] = line.split(",").map((cell) => cell.trim()) as [string, string, string];
    return { text: sequence, label };
  });
}

function fasta(text: string, label: string): Row[] {
  const records = text.split(/^>/m).filter((record) => record.trim() !== "");
  return records.map((record) => ({ text: record.split(/\r?\n/).slice(1).join("").trim(), label }));
}

async function promoters(): Promise<Row[]> {
  const folder = join(data, "dna_promoters_ecoli");
  const positive = gunzipSync(await readFile(join(folder, "promoter.fasta.gz"))).toString("latin1");
  const negative = await readFile(join(folder, "non_promoter.fasta"), "latin1");
  return [...fasta(positive, "promoter"), ...fasta(negative, "other")];
}

const sources: Readonly<Record<string, () => Promise<Row[]>>> = { splice, promoters };
const source = sources[name];
if (source === undefined) throw new Error(`${name} is not a task: ${Object.keys(sources).join(", ")}.`);
// As in the paper: shuffled by a seed, 90 / 5 / 5; the second part is not used, for nothing is chosen by it.
const rows = new Random(0, "split").shuffle(await source());
const [train, test] = [rows.slice(0, Math.floor(0.9 * rows.length)), rows.slice(Math.floor(0.95 * rows.length))];
const counts = new Map<string, number>();
for (const { label } of test) counts.set(label, (counts.get(label) ?? 0) + 1);
const majority = Math.max(...counts.values()) / test.length;

const starts = {
  "random tokens": { rows: "tokens", fromScratch: false },
  "new rows": { rows: "random", fromScratch: false },
  "from scratch": { rows: "random", fromScratch: true },
} as const;
const { engine, dtype, told } = await studyEngine(values);
const root = await mkdtemp(join(tmpdir(), "firth-symbols-"));
const lines: string[] = [];
try {
  for (const [start, { rows: kind, fromScratch }] of Object.entries(starts)) {
    if (chosen !== "all" && chosen !== start) continue;
    for (const seed of seedList.split(",").map(Number)) {
      const folder = join(root, `${kind}-${fromScratch}-${seed}`);
      await symbolVocabulary(model, { alphabet: "ACGT", perToken: Number(width), rows: kind, seed, outputDir: folder });
      const tokenizer = await loadTokenizer(folder);
      const task = textClassification({ tokenizer, maxSeqLength: 96 });
      let seconds = 0;
      const { evaluation, run } = await finetune(
        folder,
        task,
        { train: testTable("train", train), eval: testTable("test", test) },
        {
          ...{ numEpochs: Number(epochs), batchSize: 32, learningRate: 3e-4, seed, engine, dtype, fromScratch },
          listener: (event) => {
            if (event.kind === "step") seconds += event.stepSeconds;
          },
        },
      );
      const { accuracy, matthews, loss } = evaluation!;
      process.stderr.write(
        `${JSON.stringify({ name, start, seed, accuracy, matthews, loss, steps: run.steps, seconds })}\n`,
      );
      lines.push(
        `| ${[start, seed, accuracy.toFixed(3), matthews.toFixed(3), run.steps, seconds.toFixed(1)].join(" | ")} |`,
      );
    }
  }
} finally {
  await engine.dispose();
  await rm(root, { recursive: true, force: true });
}
process.stdout.write(
  `${name}: ${train.length} for training, ${test.length} held out, commonest class ${majority.toFixed(3)}; ${told}\n\n`,
);
process.stdout.write(
  `| start | seed | accuracy | Matthews | steps | seconds |\n|${"---|".repeat(6)}\n${lines.join("\n")}\n`,
);
