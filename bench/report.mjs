// Puts the sections of bench/results together: `npm run bench:report` writes bench/RESULTS.md.
//
// A section is bench/results/<name>.md, written by its benchmark; bench/results/notes/<name>.md, written by hand, is added
// to it and says what the figures do not: where the time goes and what was tried.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readResult, root } from "./section.mjs";

/** In the order of the page; the command writes the section. */
const sections = [
  { name: "training", title: "Pre-training steps", command: "npm run bench:peers -- training" },
  { name: "lanes", title: "Two lanes", command: "node bench/lanes.mjs" },
  { name: "finetuning", title: "Fine-tuning", command: "npm run bench:peers -- finetuning --data FOLDER" },
  { name: "inference", title: "Inference", command: "npm run bench:peers -- inference --data FOLDER" },
  { name: "generation", title: "Generation", command: "npm run bench:peers -- generation" },
  { name: "int8", title: "Accuracy in int8", command: "npx tsx bench/int8.ts --data FOLDER" },
  { name: "retrieval", title: "Search", command: "npx tsx bench/retrieval.ts --data FOLDER --model FOLDER" },
  { name: "data", title: "Data" },
  { name: "padding", title: "Padding" },
  { name: "memory", title: "Memory" },
  { name: "growth", title: "Growth", command: "npm run bench:growth" },
  { name: "gpu", title: "On a GPU", command: "sh bench/gpu/run.sh" },
];

/** Headings of a section, one level deeper than the page's; pictures are looked for beside the section. */
function embedded(text) {
  return text
    .trim()
    .replace(/^# .*\n+/, "")
    .replace(/\]\((?!https?:|#|\/)([^)]+\.svg)\)/g, "](results/$1)");
}

const anchor = (title) => title.toLowerCase().replaceAll(" ", "-");

const pages = sections.map(({ name, title, command }) => {
  const text = readResult(`${name}.md`);
  const missing = `Not measured yet${command === undefined ? "" : `: \`${command}\``}.`;
  const notes = readResult(join("notes", `${name}.md`));
  const parts = [`## ${title}`, text === undefined ? missing : embedded(text)];
  if (notes !== undefined) parts.push(embedded(notes));
  return parts.join("\n\n");
});

const page = `# Measurements

Put together by \`npm run bench:report\` from \`bench/results\`; do not edit. Every section names its command, machine, versions and
date. A ratio above 1 means that Firth is the faster one.

${sections.map(({ title }) => `- [${title}](#${anchor(title)})`).join("\n")}

${pages.join("\n\n")}
`;

writeFileSync(join(root, "bench", "RESULTS.md"), page);
console.log(`bench/RESULTS.md: ${sections.length} sections`);
