// The page of the pre-training comparison.

import { fixed, gigabytes, median, range } from "../section.mjs";
import { hardwareLimits, outsideLimit, targets } from "./training-cases.mjs";

const timesOf = (side) => side.rounds.flat();

/** True if the slowest counted step took twice the fastest: something else ran on the machine. */
const noisy = (side) => Math.max(...timesOf(side)) > 2 * Math.min(...timesOf(side));

/** "reached", or by how much a figure stays below. */
export function verdict(value, target) {
  if (target === undefined) return "–";
  if (value >= target) return `${target}: reached`;
  return `${target}: **below by ${(100 * (1 - value / target)).toFixed(0)} %**`;
}

/** Ratio of two sides, from the medians of each round, so that slow minutes of the machine fall on both. */
export function roundRatios(ours, peer) {
  return ours.rounds.map((times, round) => median(peer.rounds[round]) / median(times));
}

function sideRow(side, work) {
  if (side.absent !== undefined) return `| ${side.label} | – | – | – | – | – | – |`;
  const times = timesOf(side);
  const stepMs = median(times);
  const { matmulGflops, outsideEngine, peakRssBytes } = side.report;
  const rate = side.ours ? (matmulGflops * side.report.stepMs) / stepMs : undefined;
  const limit = hardwareLimits[side.dtype];
  const share = rate === undefined ? "–" : `${((100 * rate) / limit.gflops).toFixed(0)} % of ${limit.gflops}`;
  const outside = outsideEngine === undefined ? "–" : `${(100 * outsideEngine).toFixed(1)} %`;
  const tokens = (1000 * work.batch * work.seq) / stepMs;
  return `| ${side.label} | ${fixed(stepMs)} (${range(times)}) | ${fixed(tokens)} | ${fixed(rate)} | ${share} | ${outside} | ${gigabytes(peakRssBytes)} |`;
}

function groupTable(group, work) {
  const lines = [
    "| side | ms a step (range) | tokens/s | GFLOPS | of the limit | outside the engine | peak GB |",
    "|---|---|---|---|---|---|---|",
    ...group.map((side) => sideRow(side, work)),
  ];
  const ours = group.filter((side) => side.ours && side.absent === undefined);
  const peers = group.filter((side) => !side.ours && side.absent === undefined);
  if (ours.length > 0 && peers.length > 0) {
    lines.push("", "| Firth | peer | **peer ÷ Firth** (range over rounds) | to reach |", "|---|---|---|---|");
    for (const one of ours) {
      for (const peer of peers) {
        const ratios = roundRatios(one, peer);
        const ratio = median(ratios);
        const doubt = noisy(one) || noisy(peer) ? " (noisy)" : "";
        const target = targets[work.model]?.[one.id]?.[peer.dtype];
        lines.push(
          `| ${one.label} | ${peer.label} | **${fixed(ratio, 2)}** (${range(ratios, 2)})${doubt} | ${verdict(ratio, target)} |`,
        );
      }
    }
  }
  const missing = group.filter((side) => side.absent !== undefined && !side.absent.startsWith("not started"));
  if (missing.length > 0) lines.push("", ...missing.map(({ label, absent }) => `- *${label}* is missing: ${absent}`));
  return lines.join("\n");
}

function workSection(measured) {
  const { work, protocol, groups, date, loadBefore, loadAfter } = measured;
  const { model, batch, seq, vocab } = work;
  const head = `### ${model}, ${batch} × ${seq}, vocabulary ${vocab}`;
  const run = `Measured on ${date}; load average before ${loadBefore}, after ${loadAfter}; ${protocol.rounds} rounds of blocks of ${protocol.block} steps, the first ${protocol.settle} of a block not counted.`;
  return [head, "", run, "", groups.map((group) => groupTable(group, work)).join("\n\n")].join("\n");
}

function shortcomings(all) {
  const lines = [];
  for (const { work, groups } of all) {
    for (const side of groups.flat()) {
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
  return [...new Set(lines)];
}

/** Renders the section. A ratio above 1 means that Firth is the faster one. */
export function renderTraining(all) {
  const sides = all.flatMap(({ groups }) => groups.flat());
  const peer = sides.find((side) => !side.ours && side.report !== undefined)?.report;
  const versions =
    peer === undefined
      ? "no peer ran"
      : `PyTorch ${peer.torch}, transformers ${peer.transformers}, Python ${peer.python}, ${peer.threads} threads`;
  const below = shortcomings(all);
  const last = all.at(-1);
  return `# Pre-training steps

Written by \`npm run bench:peers -- training\`; do not edit.

- Machine: ${last.machine}.
- Firth on Node ${last.versions.node}; ${versions}.
- A step is forward with dropout 0.1, masked-LM loss on 15 % of the positions, backward, clipping to norm 1, AdamW (PyTorch's fused one,
  the fastest of its three). All sides of a table stay loaded and take turns; only the side whose turn it is runs. Medians. A ratio is
  taken in each round; the median over the rounds is given.
- The peers compute logits at the scored positions only, as Firth does, which is faster than transformers' own \`BertForMaskedLM\`
  (*stock head*: logits at every position). *bf16 autocast*: matrix products under autocast. Their allocator: ${last.malloc === "tuned" ? "glibc told to keep freed memory (faster than the default)" : "as it comes"}.
- GFLOPS: the graph's matrix products over the whole step, AdamW included. The limit is the highest rate measured on this kind of
  machine: ${hardwareLimits.f32.gflops} in f32, ${hardwareLimits.bf16.gflops} in bf16.
- *(noisy)*: one side's slowest step took more than twice its fastest, so the machine was not idle; PyTorch's threads wait for each
  other and suffer more from a busy neighbour, so such a ratio says nothing.

${all.map(workSection).join("\n\n")}
${below.length === 0 ? "" : `\n### Below the limit\n\n${below.join("\n")}\n`}
### Commands of the sides

\`\`\`sh
${[...new Set(sides.map(({ command }) => command))].join("\n")}
\`\`\`
`;
}
