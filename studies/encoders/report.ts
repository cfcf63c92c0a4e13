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
import { type EncoderSummary, folderOf, maskProbability, maxSeqLength, plans } from "./plan.ts";

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
  const { unigramEntropy, phases } = summary;
  const pictures: string[] = [];
  for (const { name } of phases) {
    const metrics = join(folder, name, "metrics.jsonl");
    const term = name === "next-words" ? "lm" : "mlm";
    const ofTerm = (event: Readonly<Record<string, unknown>>): unknown => event[term];
    const picture = `encoders-${plan.name}-${name}.svg`;
    await writeFile(
      join(docs, picture),
      lineChartSvg({
        title: `BERT-mini, ${plan.name}: ${name.replace("-", " ")}`,
        xLabel: "step",
        yLabel: "nats a predicted token",
        references: [{ y: unigramEntropy, label: "unigram entropy of the held-out text" }],
        series: [
          { name: "training", points: points(metrics, "train", ofTerm), smoothing: 0.98 },
          { name: "held-out text", points: points(metrics, "evaluation", ofTerm), markers: true },
        ],
      }),
    );
    pictures.push(`![${plan.name}, ${name}](${picture})`);
  }
  const rows = phases.map(({ name, steps, batchSize, evalLoss, seconds }) => {
    const tokens = (steps * batchSize * maxSeqLength) / 1e6;
    const figures = [steps, tokens.toFixed(1), evalLoss.toFixed(3), (seconds / 60).toFixed(0)];
    return `| ${[name.replace("-", " "), ...figures].join(" | ")} |`;
  });
  sections.push(`## ${plan.name[0]!.toUpperCase()}${plan.name.slice(1)}

    npx tsx studies/encoders/pretrain.ts ${plan.name} DATA

Text: ${(summary.trainTokens / 1e6).toFixed(1)} million tokens, WordPiece vocabulary of ${summary.vocabSize}. Engine ${summary.engine}. Unigram entropy of the
held-out text: ${unigramEntropy.toFixed(3)} nats a token.

| phase | steps | million places | held-out loss, nats | minutes, beside other work |
|---|---|---|---|---|
${rows.join("\n")}

${pictures.join("\n")}
`);
}

await writeFile(
  join(docs, "encoders.md"),
  `# Two small encoders, pre-trained long enough

BERT-mini (4 layers, hidden 256), rows of ${maxSeqLength} tokens. First every token is predicted from those before it (attention looks left),
then ${maskProbability * 100} % of the tokens are masked and predicted from both sides, and whether the second of two texts follows the first.
Next words teach from every token, so the network leaves the plateau of word frequencies within hundreds of steps, where masked words
alone stay on it for thousands; the order is that of Gisserot-Boukhlef et al. 2025 (arXiv:2507.00994).
The held-out loss of the second phase is the sum of both losses. What the encoders are good for: [tasks.md](tasks.md).

${cpus()[0]!.model.trim()}, ${cpus().length} processors. One run each.

${sections.join("\n")}`,
);
