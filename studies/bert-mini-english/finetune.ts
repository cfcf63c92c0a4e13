/**
 * Fine-tunes the pre-trained BERT-mini of `pretrain.ts` on SST-2, CoLA and MRPC, and the same network from scratch,
 * with three seeds each, and writes tables and curves to docs/runs/bert-mini-english.md.
 *
 *     npx tsx studies/bert-mini-english/finetune.ts DATA [SEEDS]
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { readMetrics } from "../../src/formats/metrics-log.ts";
import {
  finetune,
  formatSpread,
  lineChartSvg,
  loadPretrained,
  openEngine,
  spread,
  type TableSource,
  textClassification,
  tsv,
} from "../../src/index.ts";

const [data = "../shared/data", seedList = "1,2,3"] = process.argv.slice(2);
const seeds = seedList.split(",").map(Number);
const run = join("runs", "bert-mini-english");
const docs = join("docs", "runs");
await mkdir(docs, { recursive: true });

/** CoLA's development set in GLUE is both of its parts. */
const colaDev = join(run, "cola-dev.tsv");
const colaParts = ["in_domain_dev.tsv", "out_of_domain_dev.tsv"].map((name) =>
  readFile(join(data, "cola", name), "utf8"),
);
await writeFile(colaDev, (await Promise.all(colaParts)).map((part) => `${part.trimEnd()}\n`).join(""));

interface Task {
  readonly name: string;
  readonly train: TableSource;
  readonly eval: TableSource;
  readonly textColumns: number | readonly [number, number];
  readonly labelColumn: number;
  readonly numEpochs: number;
  /** The figure GLUE reports. */
  readonly figure: "accuracy" | "matthews" | "f1";
}

const bare = { header: false } as const;
const tasks: readonly Task[] = [
  {
    name: "SST-2",
    train: tsv(join(data, "sst2", "train.tsv.gz"), bare),
    eval: tsv(join(data, "sst2", "dev.tsv"), bare),
    textColumns: 0,
    labelColumn: 1,
    numEpochs: 2,
    figure: "accuracy",
  },
  {
    name: "CoLA",
    train: tsv(join(data, "cola", "in_domain_train.tsv.gz"), bare),
    eval: tsv(colaDev, bare),
    textColumns: 3,
    labelColumn: 1,
    numEpochs: 3,
    figure: "matthews",
  },
  {
    name: "MRPC",
    train: tsv(join(data, "mrpc", "msr-para-train.tsv.gz"), { header: true }),
    eval: tsv(join(data, "mrpc", "msr-para-val.tsv"), { header: true }),
    textColumns: [3, 4],
    labelColumn: 0,
    numEpochs: 3,
    figure: "f1",
  },
];

const pretrained = await loadPretrained(join(run, "model"), { seed: 1 });
const engine = await openEngine();
const rows: string[] = [];
const details: string[] = [];
for (const task of tasks) {
  const objective = textClassification({
    tokenizer: pretrained.tokenizer,
    maxSeqLength: 128,
    textColumns: task.textColumns,
    labelColumn: task.labelColumn,
  });
  const scores: Record<string, number[]> = { "pre-trained here": [], "from scratch": [] };
  const series: Parameters<typeof lineChartSvg>[0]["series"][number][] = [];
  let majority = 0;
  for (const fromScratch of [false, true]) {
    const kind = fromScratch ? "from scratch" : "pre-trained here";
    for (const seed of seeds) {
      const curve: [number, number][] = [];
      const began = performance.now();
      const { evaluation, run: facts } = await finetune(
        pretrained,
        objective,
        { train: task.train, eval: task.eval },
        {
          numEpochs: task.numEpochs,
          batchSize: 32,
          learningRate: 3e-4,
          seed,
          engine,
          fromScratch,
          listener: (event) => {
            if (event.kind === "step") curve.push([event.step, event.loss]);
          },
        },
      );
      const { accuracy, matthews, binary, confusion } = evaluation!;
      const sizes = confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
      majority = Math.max(...sizes) / sizes.reduce((sum, size) => sum + size, 0);
      const all = { accuracy, matthews, f1: binary!.f1 };
      scores[kind]!.push(all[task.figure]);
      series.push({ name: kind, points: curve, smoothing: 0.9 });
      const seconds = Math.round((performance.now() - began) / 1000);
      const figures = Object.values(all).map((value) => value.toFixed(4));
      details.push(`| ${task.name} | ${kind} | ${seed} | ${figures.join(" | ")} | ${facts.steps} | ${seconds} |`);
      process.stderr.write(`${details.at(-1)}\n`);
    }
  }
  const [ours, control] = ["pre-trained here", "from scratch"].map((kind) => formatSpread(spread(scores[kind]!), 3));
  const baseline =
    task.figure === "accuracy"
      ? majority.toFixed(3)
      : task.figure === "f1"
        ? ((2 * majority) / (1 + majority)).toFixed(3)
        : "0.000";
  rows.push(`| ${task.name} | ${task.figure} | ${baseline} | ${control} | ${ours} |`);
  const chart = { title: `${task.name}: training loss`, xLabel: "step", yLabel: "nats a sentence", series };
  await writeFile(join(docs, `bert-mini-english-${task.name.toLowerCase()}.svg`), lineChartSvg(chart));
}
await engine.dispose();

const metrics = readMetrics(join(run, "metrics.jsonl"));
const summary = JSON.parse(await readFile(join(run, "summary.json"), "utf8"));
const ofKind = (kind: string) =>
  metrics.filter((item) => item.kind === kind).map(({ step, loss }) => [step as number, loss as number] as const);
await writeFile(
  join(docs, "bert-mini-english.svg"),
  lineChartSvg({
    title: "BERT-mini on English text: masked words",
    xLabel: "step",
    yLabel: "loss, nats a masked token",
    references: [{ y: summary.unigramEntropy, label: "unigram entropy of the held-out text" }],
    series: [
      { name: "training", points: ofKind("train"), smoothing: 0.98 },
      { name: "held-out books", points: ofKind("evaluation"), markers: true },
    ],
  }),
);
await writeFile(
  join(docs, "bert-mini-english.md"),
  `# BERT-mini on English text

4 layers, hidden 256, WordPiece vocabulary of ${summary.vocabSize} trained on the same text; masked words only, rows of 128 tokens,
16 sequences a step, ${summary.steps} steps, AdamW at 1e-3 with ${summary.warmupSteps} warm-up steps and linear decay, seed 1. Read: ${summary.trainTokens} tokens of
books, speeches, news, film reviews and encyclopedia articles. Held out: two novels and WikiText-2's validation part.

    npx tsx studies/bert-mini-english/pretrain.ts DATA
    npx tsx studies/bert-mini-english/finetune.ts DATA

${cpus()[0]!.model.trim()}, ${cpus().length} processors, Node ${process.version}; pre-training took ${Math.round(summary.seconds / 60)} minutes.

Held-out loss: **${summary.evalLoss.toFixed(3)}** nats a masked token; unigram entropy of the held-out text ${summary.unigramEntropy.toFixed(3)}.

![loss](bert-mini-english.svg)

## Fine-tuning, development sets, mean ± deviation over seeds ${seeds.join(", ")}

Batch 32, AdamW at 3e-4, 10 % warm-up, linear decay; last weights, no selection; the control is the same network with new weights.

| task | figure | commonest class | from scratch | pre-trained here |
|---|---|---|---|---|
${rows.join("\n")}

| task | start | seed | accuracy | Matthews | F1 | steps | seconds |
|---|---|---|---|---|---|---|---|
${details.join("\n")}

${tasks.map(({ name }) => `![${name}](bert-mini-english-${name.toLowerCase()}.svg)`).join("\n")}
`,
);
