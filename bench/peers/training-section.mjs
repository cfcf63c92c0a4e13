// The page of the pre-training comparison.

import { fixed, gigabytes, median, range } from "../section.mjs";
import { missingLines, roundRatios, timesOf, verdict } from "./page-parts.mjs";
import { hardwareLimits, outsideLimit, targets } from "./training-cases.mjs";
import { pairsOf } from "./training-records.mjs";

const distinct = (texts) => [...new Set(texts)];

/** True if the slowest counted step took twice the fastest: something else ran on the machine. */
const noisy = (side) => Math.max(...timesOf(side)) > 2 * Math.min(...timesOf(side));

/** Tokens of a step: of an encoder–decoder those of both its sides. */
const tokensOf = ({ tokensPerSecond, stepMs }) => (tokensPerSecond * stepMs) / 1000;

function sideRow(side) {
  if (side.absent !== undefined) return `| ${side.label} | – | – | – | – | – | – |`;
  const times = timesOf(side);
  const stepMs = median(times);
  const { matmulGflops, outsideEngine, peakRssBytes } = side.report;
  const rate = side.ours ? (matmulGflops * side.report.stepMs) / stepMs : undefined;
  const limit = hardwareLimits[side.dtype];
  const share = rate === undefined ? "–" : `${((100 * rate) / limit.gflops).toFixed(0)} % of ${limit.gflops}`;
  const outside = outsideEngine === undefined ? "–" : `${(100 * outsideEngine).toFixed(1)} %`;
  const tokens = (1000 * tokensOf(side.report)) / stepMs;
  return `| ${side.label} | ${fixed(stepMs)} (${range(times)}) | ${fixed(tokens)} | ${fixed(rate)} | ${share} | ${outside} | ${gigabytes(peakRssBytes)} |`;
}

const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** When a table was measured, and how. */
function circumstances({ protocol: { rounds, block, settle }, date, time, loadBefore, loadAfter }) {
  const when = time === undefined ? date : `${date}, ${time} UTC`;
  const uncounted = settle === 0 ? "" : `, the first ${settle === 1 ? "" : `${settle} `}of a block not counted`;
  return `Measured on ${when}; load average before ${loadBefore}, after ${loadAfter}; ${plural(rounds, "round")} of blocks of ${plural(block, "step")}${uncounted}.`;
}

function ratioRow(table, [ourId, peerId]) {
  const one = table.sides.find(({ id }) => id === ourId);
  const peer = table.sides.find(({ id }) => id === peerId);
  const ratios = roundRatios(one, peer);
  const ratio = median(ratios);
  const doubt = noisy(one) || noisy(peer) ? " (noisy)" : "";
  const target = targets[table.work.model]?.[one.id]?.[peer.dtype];
  return `| ${one.label} | ${peer.label} | **${fixed(ratio, 2)}** (${range(ratios, 2)})${doubt} | ${verdict(ratio, target)} |`;
}

function tableText(table) {
  const lines = [
    circumstances(table),
    "",
    "| side | ms a step (range) | tokens/s | GFLOPS | of the limit | outside the engine | peak GB |",
    "|---|---|---|---|---|---|---|",
    ...table.sides.map(sideRow),
  ];
  const pairs = pairsOf(table);
  if (pairs.length > 0) {
    lines.push("", "| Firth | peer | **peer ÷ Firth** (range over rounds) | to reach |", "|---|---|---|---|");
    lines.push(...pairs.map((pair) => ratioRow(table, pair)));
  }
  return [...lines, ...missingLines(table.sides)].join("\n");
}

/** The tables of one work under its heading. */
function workSection(tables) {
  const { model, batch, seq, vocab } = tables[0].work;
  return [`### ${model}, ${batch} × ${seq}, vocabulary ${vocab}`, ...tables.map(tableText)].join("\n\n");
}

function shortcomings(all) {
  const lines = [];
  for (const { work, sides } of all) {
    for (const side of sides) {
      if (!side.ours || side.absent !== undefined || work.model !== "bert-base") continue;
      const limit = hardwareLimits[side.dtype];
      const share = (side.report.matmulGflops * side.report.stepMs) / median(timesOf(side)) / limit.gflops;
      if (share < limit.share) {
        lines.push(
          `- ${work.name}, ${side.label}: ${(100 * share).toFixed(0)} % of the hardware limit; ${100 * limit.share} % is to be reached.`,
        );
      }
      if (side.report.outsideEngine > outsideLimit) {
        lines.push(
          `- ${work.name}, ${side.label}: ${(100 * side.report.outsideEngine).toFixed(1)} % of the step outside the engine; at most ${100 * outsideLimit} % is allowed.`,
        );
      }
    }
  }
  return distinct(lines);
}

function versionsOf({ report: { torch, transformers, python, threads } }) {
  return `PyTorch ${torch}, transformers ${transformers}, Python ${python}, ${threads} threads`;
}

/** Renders the section. A ratio above 1 means that Firth is the faster one. */
export function renderTraining(all) {
  const sides = all.flatMap(({ sides }) => sides);
  const peers = distinct(sides.filter((side) => !side.ours && side.report !== undefined).map(versionsOf));
  const named = new Set(all.map(({ work }) => work.name));
  const sections = [...named].map((name) => workSection(all.filter(({ work }) => work.name === name)));
  const below = shortcomings(all);
  const last = all.at(-1);
  return `# Pre-training steps

Written by \`npm run bench:peers -- training\`; do not edit.

- Machine: ${distinct(all.map(({ machine }) => machine)).join("; ")}.
- Firth on Node ${distinct(all.map(({ versions }) => versions.node)).join(", ")}; ${peers.length === 0 ? "no peer ran" : peers.join("; ")}.
- A step is forward with dropout 0.1, the loss, backward, clipping to norm 1, AdamW (PyTorch's fused one, the fastest of its three). The
  loss is the family's own, on random tokens in full rows: of BERT masked words at 15 % of the places, of GPT-2 every token, of BART
  every token of a target (rows of the given length on both sides; tokens/s count both).
- All sides of a table stay loaded and take turns; only the side whose turn it is runs. Medians. A ratio is taken in each round; the median
  over the rounds is given.
- For each pair of sides the newest figures are given; every table says when it was measured.
- The peers compute logits at the scored positions only, as Firth does, which is faster than transformers' own \`BertForMaskedLM\`
  (*stock head*: logits at every position). *bf16 autocast*: matrix products under autocast. Their allocator: ${last.malloc === "tuned" ? "glibc told to keep freed memory (faster than the default)" : "as it comes"}.
- GFLOPS: the graph's matrix products over the whole step, AdamW included. The limit is the highest rate measured on this kind of
  machine: ${hardwareLimits.f32.gflops} in f32, ${hardwareLimits.bf16.gflops} in bf16.
- *(noisy)*: one side's slowest step took more than twice its fastest, so the machine was not idle; PyTorch's threads wait for each
  other and suffer more from a busy neighbour, so such a ratio says nothing.

${sections.join("\n\n")}
${below.length === 0 ? "" : `\n### Below the limit\n\n${below.join("\n")}\n`}
### Commands of the sides

\`\`\`sh
${distinct(sides.map(({ command }) => command)).join("\n")}
\`\`\`
`;
}
