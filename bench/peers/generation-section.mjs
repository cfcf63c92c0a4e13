// The page of the generation comparison.

import { fixed, gigabytes, median, range } from "../section.mjs";
import { newTokens, promptTokens, targetOf, works } from "./generation-cases.mjs";
import { commandsText, descriptionsOf, timesOf, turnsTable, workText } from "./page-parts.mjs";

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

function cellsOf(side, exact, numTokens) {
  const ms = median(timesOf(side));
  const same = agreement(side, exact);
  return [
    `${fixed(ms)} (${range(timesOf(side))})`,
    fixed((1000 * numTokens) / ms, 1),
    same === undefined ? "–" : `${fixed(100 * same)} %`,
    gigabytes(side.report.peakRssBytes),
  ];
}

function workSection(measured) {
  const { title, batch } = works[measured.work];
  return workText({
    title,
    step: `Prompts of ${promptTokens} tokens, ${newTokens} new ones each`,
    measured,
    tableOf: (group) =>
      turnsTable(group, {
        columns: ["ms, median (range)", "new tokens/s", "same tokens", "peak GB"],
        exactId: "f32",
        cellsOf: (side, exact) => cellsOf(side, exact, batch * newTokens),
        targetOf,
      }),
  });
}

/** Renders the section. */
export function renderGeneration(all) {
  const sides = all.flatMap(({ groups }) => groups.flat());
  const last = all.at(-1);
  return `# Generation

Written by \`npm run bench:peers -- generation\`; do not edit.

- Machine: ${last.machine}.
- Firth on Node ${last.versions.node}; ${descriptionsOf(sides)}.
- GPT-2 (124 M parameters) with random weights writes greedily; no token ends a text. The time of a step is all that passes from the
  prompts' ids to the new ones, reading the prompts included. All sides keep keys and values, stay loaded and take turns; only one is awake.
- *same tokens*: share of the tokens up to the first that differs from those of Firth in f32. With random weights the likeliest tokens are
  near one another, so that rounding decides early.

${all.map(workSection).join("\n\n")}

${commandsText(sides, "the model and the prompts")}`;
}
