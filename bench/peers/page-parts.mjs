// What the pages of the comparisons have in common. A ratio above 1 means that Firth is the faster one.

import { fixed, median, range } from "../section.mjs";

/** Times of a side's counted steps in ms. */
export const timesOf = (side) => side.rounds.flat();

/** "reached", or by how much a figure stays below; a dash where nothing is to be reached. */
export function verdict(value, target) {
  if (target === undefined) return "–";
  if (value >= target) return `${target}: reached`;
  return `${target}: **below by ${(100 * (1 - value / target)).toFixed(0)} %**`;
}

/** Ratio of two sides, from the medians of each round, so that slow minutes of the machine fall on both. */
export function roundRatios(ours, peer) {
  return ours.rounds.map((times, round) => median(peer.rounds[round]) / median(times));
}

/** Lines that say which sides are missing and why; those that nobody asked for are not missed. */
export function missingLines(sides) {
  const missing = sides.filter((side) => side.absent !== undefined && !side.absent.startsWith("not started"));
  return missing.length === 0 ? [] : ["", ...missing.map(({ label, absent }) => `- *${label}* is missing: ${absent}`)];
}

/** Each of our sides beside each peer; `targetOf` says by their ids what ratio is to be reached. */
function ratioLines(present, targetOf) {
  const peers = present.filter((side) => !side.ours);
  if (peers.length === 0) return [];
  const rows = present
    .filter((side) => side.ours)
    .flatMap((side) =>
      peers.map((peer) => {
        const ratio = median(timesOf(peer)) / median(timesOf(side));
        const reached = verdict(ratio, targetOf(side.id, peer.id));
        const rounds = range(roundRatios(side, peer), 2);
        return `| ${side.label} | ${peer.label} | **${fixed(ratio, 2)}** (${rounds}) | ${reached} |`;
      }),
    );
  return ["", "| Firth | peer | **ratio** (range over rounds) | to reach |", "|---|---|---|---|", ...rows];
}

/**
 * The table of sides that took turns: each with its own row, then their ratios, then what is missing.
 *
 * @param columns heads of the columns after the side's label
 * @param exactId the side of ours that the others' results are compared with; the first that ran where it did not
 * @param cellsOf the cells of a side that ran
 */
export function turnsTable(group, { columns, exactId, cellsOf, targetOf }) {
  const present = group.filter((side) => side.absent === undefined);
  const exact = present.find(({ id }) => id === exactId) ?? present[0];
  const rowOf = (side) => [side.label, ...(side.absent === undefined ? cellsOf(side, exact) : columns.map(() => "–"))];
  return [
    `| side | ${columns.join(" | ")} |`,
    `|${"---|".repeat(columns.length + 1)}`,
    ...group.map((side) => `| ${rowOf(side).join(" | ")} |`),
    ...ratioLines(present, targetOf),
    ...missingLines(group),
  ].join("\n");
}

/** One work: its heading, how it was measured, its tables. */
export function workText({ title, step, measured, tableOf }) {
  const { protocol, groups, date, loadBefore, loadAfter } = measured;
  const { rounds, block, settle } = protocol;
  const turns = `${rounds} rounds of ${block} steps${settle === 0 ? "" : `, the first ${settle} not counted`}`;
  return [
    `### ${title}`,
    "",
    `${step}; ${turns}. Measured on ${date}; load average before ${loadBefore}, after ${loadAfter}.`,
    "",
    groups.map(tableOf).join("\n\n"),
  ].join("\n");
}

/** What the sides say that they are, each text once. */
export function descriptionsOf(sides) {
  return [...new Set(sides.flatMap(({ report }) => (report === undefined ? [] : [report.description])))].join("; ");
}

/** The commands that started the sides. */
export function commandsText(sides, workFolder) {
  return `### Commands of the sides

\`WORK\` is a folder that the runner makes: ${workFolder}.

\`\`\`sh
${[...new Set(sides.map(({ command }) => command))].join("\n")}
\`\`\`
`;
}
