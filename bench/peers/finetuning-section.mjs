// The page of the fine-tuning comparison.

import { fixed, gigabytes, median, range } from "../section.mjs";
import { tasks } from "./finetuning-cases.mjs";
import { commandsText, missingLines, timesOf, verdict } from "./page-parts.mjs";

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const examplesPerSecond = (side, batch) => (1000 * batch * timesOf(side).length) / sum(timesOf(side));
const percent = (share) => (share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);

function sideRow(side, batch) {
  if (side.absent !== undefined) return `| ${side.label} | – | – | – | – | – |`;
  const { fillRatio, outsideEngine, peakRssBytes } = side.report;
  const times = timesOf(side);
  return `| ${side.label} | ${fixed(examplesPerSecond(side, batch), 1)} | ${fixed(median(times))} (${range(times)}) | ${percent(1 - fillRatio)} | ${percent(outsideEngine)} | ${gigabytes(peakRssBytes)} |`;
}

/** Ratios of one of our sides and a peer in examples a second: of the whole, and of each round. */
function ratios(ours, peer) {
  const rounds = ours.rounds.map((times, round) => sum(peer.rounds[round]) / sum(times));
  return { whole: sum(timesOf(peer)) / sum(timesOf(ours)), rounds };
}

function groupTable(group, { batch, task }) {
  const lines = [
    "| side | examples/s | ms a step, median (range) | padding | outside the engine | peak GB |",
    "|---|---|---|---|---|---|",
    ...group.map((side) => sideRow(side, batch)),
  ];
  const peer = group.find((side) => !side.ours && side.absent === undefined);
  const ours = group.filter((side) => side.ours && side.absent === undefined);
  if (peer !== undefined && ours.length > 0) {
    const compared = ours.map((side) => ({ side, ...ratios(side, peer) })).sort((a, b) => b.whole - a.whole);
    lines.push(
      "",
      "| Firth | peer | **ratio of examples/s** (range over rounds) | to reach by the best |",
      "|---|---|---|---|",
    );
    compared.forEach(({ side, whole, rounds }, rank) => {
      const reached = rank === 0 ? verdict(whole, tasks[task]?.target) : "–";
      lines.push(`| ${side.label} | ${peer.label} | **${fixed(whole, 2)}** (${range(rounds, 2)}) | ${reached} |`);
    });
  }
  return [...lines, ...missingLines(group)].join("\n");
}

/** What the examples of a task are, by the kind of its data. */
const itemsOf = { texts: "texts", tags: "sentences", answers: "windows of questions and their texts" };

function taskSection(measured) {
  const { task, model, steps, block, batch, maxLength, groups, date, loadBefore, loadAfter } = measured;
  const items = itemsOf[tasks[task]?.kind ?? "texts"];
  const run = `${steps} steps of ${batch} ${items} of at most ${maxLength} tokens, in turns of ${block}, after one step that is not counted. Measured on ${date}; load average before ${loadBefore}, after ${loadAfter}.`;
  return [
    `### BERT-${model}, ${task}`,
    "",
    run,
    "",
    groups.map((group) => groupTable(group, measured)).join("\n\n"),
  ].join("\n");
}

/** Renders the section. A ratio above 1 means that Firth is the faster one. */
export function renderFinetuning(all) {
  const sides = all.flatMap(({ groups }) => groups.flat());
  const peer = sides.find((side) => !side.ours && side.report !== undefined)?.report;
  const versions =
    peer === undefined
      ? "no peer ran"
      : `PyTorch ${peer.torch}, transformers ${peer.transformers}, accelerate ${peer.accelerate}, Python ${peer.python}, ${peer.threads} threads`;
  const last = all.at(-1);
  return `# Fine-tuning

Written by \`npm run bench:peers -- finetuning --data FOLDER\`; do not edit.

- Machine: ${last.machine}.
- Firth on Node ${last.versions.node}; ${versions}.
- Both sides begin with the same random weights (a seed) and see the same examples, a fixed part of the training set drawn by a seed, with
  their real lengths (vocabulary of bert-base-uncased), each in its own order; dropout 0.1, AdamW, clipping to norm 1.
- sst-2, mrpc: classes of texts; pos: parts of speech of words, labelled at a word's first piece; squad: answers in texts, in windows 128
  tokens apart (a text that fits is one window).
- Firth: \`finetune\`, \`finetuneTagging\`, \`finetuneQuestionAnswering\`, texts packed into rows. Peer: Hugging Face's Trainer, every batch
  padded to its longest text; *bf16*: \`bf16=True\`.
  The peer's allocator: ${last.malloc === "tuned" ? "glibc told to keep freed memory (faster than the default)" : "as it comes"}.
- The time of a step is all that passes: making the batch, compiling a graph when a shape is first seen, the update. *padding*: share of the
  computed places without a token. Examples a second over all counted steps.

${all.map(taskSection).join("\n\n")}

${commandsText(sides, "the model and the examples of the task")}`;
}
