// The Markdown page that a comparison leaves behind.

import os from "node:os";

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const gigabytes = (bytes) => (bytes ? (bytes / 1e9).toFixed(2) : "–");
const fixed = (value, digits = 0) => (typeof value === "number" ? value.toFixed(digits) : "–");

function spread(times) {
  return `${fixed(Math.min(...times))}–${fixed(Math.max(...times))}`;
}

/** The line that names the machine: processor, cores that this process may use, memory, operating system. */
export function machine() {
  const model = os.cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return `${model}, ${os.availableParallelism()} cores, ${memory} GiB, ${os.type()} ${os.release()}`;
}

/** True if the slowest counted step took twice the fastest: something else ran on the machine. */
function noisy({ times }) {
  return Math.max(...times) > 2 * Math.min(...times);
}

function caseSection({ name, rows }) {
  const lines = [
    `## ${name}`,
    "",
    "| Firth | ms a step (range) | tokens/s | peer | ms a step (range) | tokens/s | **peer ÷ Firth** | peak GB, Firth / peer |",
    "|---|---|---|---|---|---|---|---|",
  ];
  for (const row of rows) {
    const { firth, peer } = row;
    const doubt = noisy(firth) || noisy(peer) ? " (noisy)" : "";
    lines.push(
      `| ${row.firthLabel} | ${fixed(firth.stepMs)} (${spread(firth.times)}) | ${fixed(firth.tokensPerSecond)} ` +
        `| ${peer.report.variant} | ${fixed(peer.stepMs)} (${spread(peer.times)}) | ${fixed(peer.tokensPerSecond)} ` +
        `| **${fixed(row.ratio, 2)}**${doubt} | ${gigabytes(firth.report.peakRssBytes)} / ${gigabytes(peer.report.peakRssBytes)} |`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** Renders the page. A ratio above 1 means that Firth is the faster one. */
export function renderResults({ cases, options, date, loadBefore, loadAfter }) {
  const peer = cases[0].rows[0].peer.report;
  const threads = `${peer.threads} threads`;
  return `# Training step against PyTorch

Written by \`npm run bench:peers\` on ${date}; do not edit.

- Machine: ${machine()}. Load average before ${loadBefore}, after ${loadAfter}.
- Firth on Node ${process.versions.node}; PyTorch ${peer.torch}, transformers ${peer.transformers}, Python ${peer.python}, ${threads}.
- A step is forward with dropout ${peer.dropout}, masked-LM loss on 15 % of the positions, backward, clipping to norm 1, AdamW
  (PyTorch's implementation: ${peer.optimizer}). Both sides stay loaded and take turns in blocks of ${options.block} steps, ${options.rounds} rounds;
  the side whose turn it is not is stopped. The first ${options.settle} of each block are not counted. Medians.
- *gathered*: the peer computes logits at the scored positions only, as Firth does. *stock*: transformers' \`BertForMaskedLM\` as it
  comes, with logits at every position. *bf16*: matrix products under autocast.
- The peer's allocator: ${options.malloc === "tuned" ? "glibc told to keep freed memory (faster than the default)" : "as it comes"}.
- A ratio above 1 means that Firth is faster. *(noisy)*: one side's slowest step took more than twice its fastest, so the machine was
  not idle; PyTorch's threads wait for each other and suffer more from a busy neighbour, so such a ratio says nothing.

${cases.map(caseSection).join("\n")}
## Commands

\`\`\`sh
${cases.flatMap(({ rows }) => rows.flatMap((row) => row.commands)).join("\n")}
\`\`\`
`;
}
