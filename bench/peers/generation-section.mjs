// The page of the generation comparison.

import { fixed, gigabytes, median, range } from "../section.mjs";
import { newTokens, promptTokens, targetOf, works } from "./generation-cases.mjs";
import { verdict } from "./training-section.mjs";

const timesOf = (side) => side.rounds.flat();

/** Share of the tokens that are those of the first side, text by text up to the first that differs. */
function agreement(side, exact) {
  let [same, total] = [0, 0];
  side.report.tokens.forEach((tokens, text) => {
    const expected = exact.report.tokens[text];
    const differs = tokens.findIndex((token, i) => token !== expected[i]);
    same += differs === -1 ? tokens.length : differs;
    total += expected.length;
  });
  return total === 0 ? undefined : same / total;
}

function sideRow(side, exact, numTokens) {
  if (side.absent !== undefined) return `| ${side.label} | – | – | – | – |`;
  const ms = median(timesOf(side));
  const same = agreement(side, exact);
  return `| ${side.label} | ${fixed(ms)} (${range(timesOf(side))}) | ${fixed((1000 * numTokens) / ms, 1)} | ${same === undefined ? "–" : `${fixed(100 * same)} %`} | ${gigabytes(side.report.peakRssBytes)} |`;
}

function groupTable(group, batch) {
  const present = group.filter((side) => side.absent === undefined);
  const exact = present.find(({ id }) => id === "f32") ?? present[0];
  const lines = [
    "| side | ms, median (range) | new tokens/s | same tokens | peak GB |",
    "|---|---|---|---|---|",
    ...group.map((side) => sideRow(side, exact, batch * newTokens)),
  ];
  const peers = present.filter((side) => !side.ours);
  if (peers.length > 0)
    lines.push("", "| Firth | peer | **ratio** (range over rounds) | to reach |", "|---|---|---|---|");
  for (const side of present.filter((one) => one.ours)) {
    for (const peer of peers) {
      const ratios = side.rounds.map((times, round) => median(peer.rounds[round]) / median(times));
      const ratio = median(timesOf(peer)) / median(timesOf(side));
      const reached = verdict(ratio, targetOf(side.id, peer.id));
      lines.push(`| ${side.label} | ${peer.label} | **${fixed(ratio, 2)}** (${range(ratios, 2)}) | ${reached} |`);
    }
  }
  const missing = group.filter((side) => side.absent !== undefined && !side.absent.startsWith("not started"));
  if (missing.length > 0) lines.push("", ...missing.map(({ label, absent }) => `- *${label}* is missing: ${absent}`));
  return lines.join("\n");
}

function workSection({ work, protocol, groups, date, loadBefore, loadAfter }) {
  const { title, batch } = works[work];
  const { rounds, block, settle } = protocol;
  const turns = `${rounds} rounds of ${block} steps${settle === 0 ? "" : `, the first ${settle} not counted`}`;
  return [
    `### ${title}`,
    "",
    `Prompts of ${promptTokens} tokens, ${newTokens} new ones each; ${turns}. Measured on ${date}; load average before ${loadBefore}, after ${loadAfter}.`,
    "",
    groups.map((group) => groupTable(group, batch)).join("\n\n"),
  ].join("\n");
}

/** Renders the section. A ratio above 1 means that Firth is the faster one. */
export function renderGeneration(all) {
  const sides = all.flatMap(({ groups }) => groups.flat());
  const last = all.at(-1);
  const versions = [...new Set(sides.flatMap(({ report }) => (report === undefined ? [] : [report.description])))];
  return `# Generation

Written by \`npm run bench:peers -- generation\`; do not edit.

- Machine: ${last.machine}.
- Firth on Node ${last.versions.node}; ${versions.join("; ")}.
- GPT-2 (124 M parameters) with random weights writes greedily; no token ends a text. The time of a step is all that passes from the
  prompts' ids to the new ones, reading the prompts included. All sides keep keys and values, stay loaded and take turns; only one is awake.
- *same tokens*: share of the tokens up to the first that differs from those of Firth in f32. With random weights the likeliest tokens are
  near one another, so that rounding decides early.

${all.map(workSection).join("\n\n")}

### Commands of the sides

\`WORK\` is a folder that the runner makes: the model and the prompts.

\`\`\`sh
${[...new Set(sides.map(({ command }) => command))].join("\n")}
\`\`\`
`;
}
