/**
 * Writes docs/runs/families.md and its pictures from the runs that `pretrain.ts` left.
 *
 *     npx tsx studies/families/report.ts
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ShardedCorpus } from "../../src/data/sharded-corpus.ts";
import { unigramEntropy } from "../../src/evaluation/language.ts";
import { readMetrics } from "../../src/formats/metrics-log.ts";
import { lineChartSvg } from "../../src/index.ts";
import { loadTokenizer } from "../../src/tokenizers/load.ts";
import { common, type FamilyRun, type Part, partsFile, runs, spansFile, studyFolder, textFolder } from "./runs.ts";

const docs = join("docs", "runs");
await mkdir(docs, { recursive: true });

interface Result {
  readonly run: FamilyRun;
  readonly parts: readonly Part[];
  readonly train: readonly (readonly [number, number])[];
  readonly heldOut: readonly (readonly [number, number])[];
  /** Terms and metrics of the last evaluation. */
  readonly last: Readonly<Record<string, unknown>>;
  readonly tokens: number;
  /** Nats a token of the held-out text, by the best guess that ignores context; where losses can be compared with it. */
  readonly unigram: number;
}

async function unigramOf(folder: string): Promise<number> {
  const tokenizer = await loadTokenizer(join(folder, "tokenizer"));
  const corpus = await ShardedCorpus.open(join(folder, "corpus-eval"));
  const counts = new Float64Array(tokenizer.vocabSize);
  for (let i = 0; i < corpus.numDocuments; i++) for (const token of corpus.document(i).tokens) counts[token]!++;
  await corpus.close();
  return unigramEntropy(counts);
}

async function resultOf(run: FamilyRun): Promise<Result> {
  const folder = join(studyFolder, run.name);
  const metrics = readMetrics(join(folder, "metrics.jsonl"));
  const ofKind = (kind: string) =>
    metrics.filter((item) => item.kind === kind).map(({ step, loss }) => [step, Number(loss)] as const);
  const lines = (await readFile(partsFile(run), "utf8")).trim().split("\n");
  return {
    run,
    parts: lines.map((line) => JSON.parse(line)),
    train: ofKind("train"),
    heldOut: ofKind("evaluation"),
    last: metrics.findLast(({ kind }) => kind === "evaluation")!,
    tokens: metrics.reduce((sum, { kind, numTokens }) => sum + (kind === "train" ? Number(numTokens) : 0), 0),
    unigram: run.comparesWithUnigram ? await unigramOf(folder) : Number.NaN,
  };
}

const finished = runs.filter((run) => existsSync(join(studyFolder, run.name, "model")));
const results = await Promise.all(finished.map(resultOf));
if (results.length === 0) throw new Error("No run has ended: make one first with studies/families/pretrain.ts.");

/** Everything measured at the last evaluation, but the loss as a whole. */
function figures(last: Readonly<Record<string, unknown>>): string {
  const other = Object.entries(last).filter(([name]) => !["step", "kind", "loss"].includes(name));
  return other.map(([name, value]) => `${name} ${Number(value).toFixed(3)}`).join(", ");
}

for (const { run, train, heldOut, unigram } of results) {
  await writeFile(
    join(docs, `families-${run.name}.svg`),
    lineChartSvg({
      title: `${run.title}: ${run.learns}`,
      xLabel: "step",
      yLabel: "loss, nats",
      references: run.comparesWithUnigram ? [{ y: unigram, label: "unigram entropy of the held-out text" }] : [],
      series: [
        { name: "training", points: train, smoothing: 0.98 },
        { name: "held-out text", points: heldOut, markers: true },
      ],
    }),
  );
}

const rows = results.map(({ run, parts, heldOut, last, tokens, unigram }) => {
  const seconds = parts.reduce((sum, part) => sum + part.seconds, 0);
  const engine = [...new Set(parts.map(({ options }) => options.join(" ") || "default"))].join("; ");
  const [first, end] = [heldOut[0]![1], heldOut.at(-1)![1]].map((loss) => loss.toFixed(3));
  const cells = [`[${run.title}](#${run.name})`, run.learns, `${(tokens / 1e6).toFixed(1)} M`, first, end];
  const rest = [run.comparesWithUnigram ? unigram.toFixed(3) : "–", figures(last), Math.round(seconds / 60), engine];
  return `| ${[...cells, ...rest].join(" | ")} |`;
});
const aboveUnigram = results.filter(
  ({ run, heldOut, unigram }) => run.comparesWithUnigram && heldOut.at(-1)![1] >= unigram,
);
const above =
  aboveUnigram.length === 0
    ? ""
    : ` Not below the unigram entropy, so not shown to learn from context: ${aboveUnigram.map(({ run }) => run.title).join(", ")}.`;
const command = ({ run, parts }: Result): string =>
  `    npx tsx studies/families/pretrain.ts ${[run.name, ...(parts[0]?.options ?? [])].join(" ")}`;

await writeFile(
  join(docs, "families.md"),
  `# Every family learns

Each family by its own recipe and objective, all shrunk to 4 layers of width 256 (or as said), rows of 128 tokens, 32 sequences a
step, 1 200 steps of AdamW at 1e-3 (BART 700; MASS 1 500 at 5e-4), seed 1, on the same English text: books, speeches, news, film
reviews and encyclopedia articles. Each learns a vocabulary of 8 192 of its own kind, so losses of different families are not of the
same tokens. Held out: two novels and WikiText-2's validation part; where two segments may follow one another or not (ERNIE, UniLM),
every fiftieth document of the training text instead, for among a few novels a segment of another one is of the same kind, which it
rarely is in training. One run each: this shows whether a family learns, not which is better.${above}

    npx tsx studies/families/text.ts DATA
    firth data spans --input ${join(textFolder, "train.txt")} --sentences line --out ${spansFile}
${results.map(command).join("\n")}
    npx tsx studies/families/report.ts

${cpus()[0]!.model.trim()}, ${cpus().length} processors, Node ${process.version}, beside other work: minutes are not speeds.

| family | learns | training tokens | held-out loss at step 100 | at the end | unigram entropy | held-out figures at the end | minutes | engine |
|---|---|---|---|---|---|---|---|---|
${rows.join("\n")}

Losses are in nats per predicted token, summed over an objective's terms; two kinds of pairs are guessed at 0.693. Where the pair's figure
is near or above that, what was learnt of pairs does not carry over to the held-out text, and the whole loss hides what the masked words
gain. The unigram entropy is the loss of the best guess that ignores
context; it is left out where the objective predicts other tokens than those of the text, or adds a second term.

Settings of all runs: ${common.map((setting) => `\`${setting}\``).join(" ")}

${results
  .map(({ run }) => {
    const own = run.settings.map((setting) => `\`${setting}\``).join(" ");
    return `## ${run.title}\n\n<a id="${run.name}"></a>\`recipes/${run.recipe}.yaml\` with ${own}\n\n![${run.title}](families-${run.name}.svg)`;
  })
  .join("\n\n")}
`,
);
