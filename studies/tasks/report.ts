/**
 * Writes docs/runs/tasks.md from the results that `run.ts` left.
 *
 *     npx tsx studies/tasks/report.ts
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type CaseResult, cases, resultsFile, type TaskCase } from "./cases.ts";

const results = readFileSync(resultsFile, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as CaseResult);
const starts = [...new Set(results.map(({ start }) => start))];

const percent = (value: number): string => (100 * value).toFixed(1);
const find = (name: string, start: string): CaseResult | undefined =>
  results.findLast((result) => result.name === name && result.start === start);

/** Mean ± sample standard deviation over the seeds, in percent. */
function cell({ name, figure }: TaskCase, start: string): string {
  const spread = find(name, start)?.figures[figure];
  if (spread === undefined) return "–";
  return spread.deviation === null ? percent(spread.mean) : `${percent(spread.mean)} ± ${percent(spread.deviation)}`;
}

const shown = cases.filter(({ name }) => results.some((result) => result.name === name));
const rows = shown.map((item) => {
  const majority = results.find(({ name, majority: share }) => name === item.name && share !== undefined)?.majority;
  const minutes = starts.map((start) => find(item.name, start)?.seconds ?? 0).map((time) => (time / 60).toFixed(0));
  const base = item.figure === "accuracy" && majority !== undefined ? percent(majority) : "–";
  return `| ${[item.title, item.figure, base, ...starts.map((start) => cell(item, start)), minutes.join(" / ")].join(" | ")} |`;
});
const commands = shown.flatMap(({ name }) =>
  starts.flatMap((start) => {
    const found = find(name, start);
    return found === undefined ? [] : [`    ${found.command}`];
  }),
);

mkdirSync(join("docs", "runs"), { recursive: true });
writeFileSync(
  join("docs", "runs", "tasks.md"),
  `# Tasks, pre-trained and from scratch

Each task by its recipe, with the rates of a small network. Held-out figures in percent, mean ± sample standard deviation over the
seeds; *majority*: the commonest class of the held-out data. Seeds choose the order, dropout and the head (from scratch: all
weights); the pre-trained model is one.

| task | figure | majority | ${starts.join(" | ")} | minutes for all seeds |
|---|---|---|${starts.map(() => "---").join("|")}|---|
${rows.join("\n")}

${cpus()[0]!.model.trim()}, ${cpus().length} processors, Node ${process.version}, beside other work: minutes are not speeds.

## Commands

    npx tsx studies/tasks/prepare.ts DATA
${commands.join("\n")}
    npx tsx studies/tasks/report.ts
`,
);
