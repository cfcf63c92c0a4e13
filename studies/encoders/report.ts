/**
 * Writes docs/runs/encoders.md and its pictures from what `pretrain.ts` left.
 *
 *     npx tsx studies/encoders/report.ts
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { readMetrics } from "../../src/formats/metrics-log.ts";
import { lineChartSvg } from "../../src/index.ts";
import { type EncoderSummary, folderOf, plans, training } from "./plan.ts";

const docs = join("docs", "runs");
await mkdir(docs, { recursive: true });

/** Step and figure of the events of a kind. */
function points(file: string, kind: string, figure: (event: Readonly<Record<string, unknown>>) => unknown) {
  return readMetrics(file).flatMap((event) => {
    const value = figure(event);
    return event.kind === kind && typeof value === "number" ? [[Number(event.step), value] as const] : [];
  });
}

const sections: string[] = [];
for (const plan of plans) {
  const folder = folderOf(plan);
  if (!existsSync(join(folder, "summary.json"))) continue;
  const summary = JSON.parse(await readFile(join(folder, "summary.json"), "utf8")) as EncoderSummary;
  const { unigramEntropy, steps, evalLoss } = summary;
  const metrics = join(folder, "metrics.jsonl");
  const ofLoss = (event: Readonly<Record<string, unknown>>): unknown => event.loss;
  const picture = `encoders-${plan.name}.svg`;
  await writeFile(
    join(docs, picture),
    lineChartSvg({
      title: `BERT-mini on ${plan.name[0]!.toUpperCase()}${plan.name.slice(1)} text: next words`,
      xLabel: "step",
      yLabel: "nats a token",
      references: [{ y: unigramEntropy, label: "unigram entropy of the held-out text" }],
      series: [
        { name: "training", points: points(metrics, "train", ofLoss), smoothing: 0.98 },
        { name: "held-out text", points: points(metrics, "evaluation", ofLoss), markers: true },
      ],
    }),
  );
  const places = (steps * training.batchSize * training.maxSeqLength) / 1e6;
  sections.push(`## ${plan.name[0]!.toUpperCase()}${plan.name.slice(1)}

    npx tsx studies/encoders/pretrain.ts ${plan.name} DATA

Text: ${(summary.trainTokens / 1e6).toFixed(1)} million tokens, WordPiece vocabulary of ${summary.vocabSize}; ${steps} steps, ${places.toFixed(1)} million places. Engine ${summary.engine}.
Held-out loss **${evalLoss.toFixed(3)}** nats a token (perplexity ${Math.exp(evalLoss).toFixed(0)}); unigram entropy of that text ${unigramEntropy.toFixed(3)}.

![${plan.name}](${picture})
`);
}

await writeFile(
  join(docs, "encoders.md"),
  `# Two small encoders

BERT-mini (4 layers, hidden 256), rows of ${training.maxSeqLength} tokens, ${training.batchSize} sequences a step, AdamW at ${training.learningRate} with ${training.warmupSteps} steps of warm-up and linear decay, dropout 0.1.
Every token is predicted from those before it: attention looks left, and the head of masked words scores next ones. That teaches
from every token, so little text goes further than with masked words (found at larger sizes by Gisserot-Boukhlef et al. 2025,
arXiv:2507.00994). Tasks then let attention look both ways. What the encoders are good for: [tasks.md](tasks.md).

${cpus()[0]!.model.trim()}, ${cpus().length} processors. One run each; a run may have been stopped and gone on.

${sections.join("\n")}`,
);
