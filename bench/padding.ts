/**
 * How much of what is computed is padding, and how many graphs are compiled, on real data:
 * `npx tsx bench/padding.ts DATA [--models FOLDER] [--speed [--rounds 5] [--steps 8] [--texts 512]]`.
 *
 * DATA is the folder of data sets, `--models` that of tokenizers (`../models` beside it unless given). `--speed` also times BERT-mini
 * packed, padded to the longest text of each batch and padded to the longest length allowed. Writes bench/results/padding.md.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer } from "../src/tokenizers/load.ts";
import {
  countFineTuning,
  countHeldOut,
  countPrediction,
  countPretraining,
  type PaddingCount,
} from "./padding/count.ts";
import { textSets, withPretrainingExamples } from "./padding/data-set.ts";
import { measureSpeed } from "./padding/speed.ts";
import { fixed, load, machine, today, writeResult } from "./section.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: "string" },
    speed: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    steps: { type: "string", default: "8" },
    texts: { type: "string", default: "512" },
  },
});
const [data] = positionals;
if (data === undefined) throw new Error("padding: name the folder of data sets, e.g. `npx tsx bench/padding.ts data`.");
const models = values.models ?? join(data, "..", "models");

const share = (value: number): string => `${fixed(100 * value, 1)} %`;

function row(count: PaddingCount): string {
  const { data: name, mode, batches, shapes, commonShare, meanWidth, packed, toLongest, toMaximum } = count;
  const shapeText = shapes > 4 ? `${shapes} (4 make ${fixed(100 * commonShare)} %)` : String(shapes);
  const cells = [name, mode, batches, shapeText, fixed(meanWidth), `**${share(packed)}**`];
  return `| ${[...cells, share(toLongest), share(toMaximum)].join(" | ")} |`;
}

async function main(folder: string): Promise<void> {
  const loadBefore = load();
  const english = await loadTokenizer(join(models, "bert-base-uncased"));
  const chinese = await loadTokenizer(join(models, "bert-base-chinese"));
  const sets = await textSets(folder, english, chinese);
  const counts: PaddingCount[] = [];
  const add = (count: PaddingCount): void => {
    counts.push(count);
    console.log(row(count));
  };
  for (const set of sets) {
    add(countFineTuning(set, english, 32));
    add(countPrediction(set, english, 32, true));
    add(countPrediction(set, english, 32, false));
  }
  await withPretrainingExamples(folder, english, async (examples) => {
    for (const pair of ["none", "nextSentence"] as const) {
      for (const [batchSize, maxSeqLength] of [
        [32, 128],
        [8, 512],
      ] as const) {
        for (const shorten of [true, false]) {
          const cut = { maxSeqLength, pair, shorten };
          add((shorten ? countPretraining : countHeldOut)(examples(cut), cut, english, batchSize));
        }
      }
    }
  });
  const lines = [
    "# Padding",
    "",
    `Written by \`npx tsx bench/padding.ts DATA${values.speed ? " --speed" : ""}\` on ${today()}; do not edit.`,
    "",
    "Share of the computed places that hold no token, and different shapes (each a compiled graph), over three shuffled epochs of",
    "training and one evaluation. *to longest*: one sequence a row, as wide as the batch's longest; *to maximum*: as wide as the",
    "longest length allowed; both in batches of the same size.",
    "",
    "| data | mode | batches | shapes | mean width | **padding** | to longest | to maximum |",
    "|---|---|---|---|---|---|---|---|",
    ...counts.map(row),
    "",
  ];
  if (values.speed) {
    const [rounds, steps, texts] = [Number(values.rounds), Number(values.steps), Number(values.texts)];
    const timed = await measureSpeed(sets.slice(0, 2), english, { rounds, steps, texts });
    // The load while it ran, so only now.
    lines.push(`- Machine: ${machine()}. Load average before ${loadBefore}, after ${load()}.`, "", ...timed);
  }
  writeResult("padding.md", lines.join("\n"));
}

await main(data);
