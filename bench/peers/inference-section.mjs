// The page of the inference comparison.

import { fixed, gigabytes, median, range } from "../section.mjs";
import { targetOf, works } from "./inference-cases.mjs";
import { verdict } from "./training-section.mjs";

const timesOf = (side) => side.rounds.flat();

/** Largest difference of the first answers (probabilities) from those of the first side that computes in f32. */
function distance(side, exact) {
  const pairs = side.report.shares.map((share, i) => Math.abs(share - exact.report.shares[i]));
  return pairs.length === 0 ? undefined : Math.max(...pairs);
}

function sideRow(side, exact, numTexts) {
  if (side.absent !== undefined) return `| ${side.label} | – | – | – | – |`;
  const ms = median(timesOf(side));
  const digits = ms < 100 ? 1 : 0;
  return `| ${side.label} | ${fixed(ms, digits)} (${range(timesOf(side), digits)}) | ${fixed((1000 * numTexts) / ms, 1)} | ${distance(side, exact)?.toExponential(0) ?? "–"} | ${gigabytes(side.report.peakRssBytes)} |`;
}

function groupTable(group, { work, numTexts }) {
  const present = group.filter((side) => side.absent === undefined);
  const exact = present.find(({ id }) => id === "none") ?? present[0];
  const lines = [
    "| side | ms, median (range) | texts/s | differs by | peak GB |",
    "|---|---|---|---|---|",
    ...group.map((side) => sideRow(side, exact, numTexts)),
  ];
  const peers = present.filter((side) => !side.ours);
  if (peers.length > 0)
    lines.push("", "| Firth | peer | **ratio** (range over rounds) | to reach |", "|---|---|---|---|");
  for (const side of present.filter((one) => one.ours)) {
    for (const peer of peers) {
      const ratios = side.rounds.map((times, round) => median(peer.rounds[round]) / median(times));
      const ratio = median(timesOf(peer)) / median(timesOf(side));
      const target = targetOf(work, side.id, peer.id);
      const reached = target === undefined ? "–" : verdict(ratio, target);
      lines.push(`| ${side.label} | ${peer.label} | **${fixed(ratio, 2)}** (${range(ratios, 2)}) | ${reached} |`);
    }
  }
  const missing = group.filter((side) => side.absent !== undefined && !side.absent.startsWith("not started"));
  if (missing.length > 0) lines.push("", ...missing.map(({ label, absent }) => `- *${label}* is missing: ${absent}`));
  return lines.join("\n");
}

function workSection(measured) {
  const { work, model, numTexts, protocol, groups, date, loadBefore, loadAfter } = measured;
  const { rounds, block, settle } = protocol;
  const turns = `${rounds} rounds of ${block} steps${settle === 0 ? "" : `, the first ${settle} not counted`}`;
  return [
    `### BERT-${model}: ${works[work].title}`,
    "",
    `${numTexts} text${numTexts === 1 ? "" : "s"} a step; ${turns}. Measured on ${date}; load average before ${loadBefore}, after ${loadAfter}.`,
    "",
    groups.map((group) => groupTable(group, measured)).join("\n\n"),
  ].join("\n");
}

/** Renders the section. A ratio above 1 means that Firth is the faster one. */
export function renderInference(all) {
  const sides = all.flatMap(({ groups }) => groups.flat());
  const last = all.at(-1);
  const versions = [...new Set(sides.flatMap(({ report }) => (report === undefined ? [] : [report.description])))];
  return `# Inference

Written by \`npm run bench:peers -- inference --data FOLDER\`; do not edit.

- Machine: ${last.machine}.
- Firth on Node ${last.versions.node}; ${versions.join("; ")}.
- The time of a step is all that passes from texts to probabilities, tokenizing included: of one text, or of all texts of the work. All sides
  stay loaded and take turns; only one is awake. A latency of 0.8 of a peer's is a ratio of 1.25, 0.4 is 2.5.
- All sides run the same network with the same random weights${last.ownVocabulary ? "; the vocabulary is learnt from SST-2's training texts" : ""}. *differs by*: the largest difference of the
  first eight texts' probabilities from Firth's in f32. With random weights that says little of what int8 costs: see the table of accuracy.
- Peers compute batches of 32 texts ordered by length, padded to the longest; Firth packs rows. PyTorch's int8 is torch.ao's dynamic
  quantization, its bf16 the whole model in bfloat16. transformers.js runs torch's ONNX export in ONNX Runtime. TensorFlow.js has no BERT: the
  encoder is written with its operators (bench/peers/tfjs-inference.mjs). The peers' allocator: ${last.malloc === "tuned" ? "glibc told to keep freed memory (PyTorch)" : "as it comes"}.

${all.map(workSection).join("\n\n")}

### Commands of the sides

\`WORK\` is a folder that the runner makes: the model and the texts.

\`\`\`sh
${[...new Set(sides.map(({ command }) => command))].join("\n")}
\`\`\`
`;
}
