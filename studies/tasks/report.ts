/**
 * Writes docs/runs/tasks.md and its pictures from what `run.ts`, `curves.ts` and `features.ts` left.
 *
 *     npx tsx studies/tasks/report.ts [--folder runs/tasks] [--out docs/runs]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { spread } from "../../src/index.ts";
import {
  dataFolder,
  type Figure,
  type PartSizes,
  resultFolder,
  sizesFile,
  type TaskCase,
  usualFolder,
} from "./case.ts";
import { casesOf } from "./cases.ts";
import { curveSection } from "./curve-section.ts";
import { type DotRow, dotChartSvg } from "./dot-chart.ts";
import { featureSection } from "./feature-section.ts";
import { type CaseResult, readResults } from "./result.ts";
import { starts as allStarts } from "./start.ts";
import { vectorSection } from "./vector-section.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { folder: text, out: text } });
const { folder = usualFolder, out = join("docs", "runs") } = values;
const cases = casesOf("");
const results = readResults(resultFolder(folder));
const sizes = JSON.parse(readFileSync(join(dataFolder(folder), sizesFile), "utf8")) as Record<string, PartSizes>;
const starts = allStarts.filter(({ name }) => results.some(({ start }) => start === name));

/** The case whose models a case is tried with, and what their figures are called. */
function sourceOf({ name, numEpochs }: TaskCase): { readonly task: TaskCase; readonly prefix: string } {
  const own = cases.find((task) => task.name === name)!;
  if (numEpochs > 0) return { task: own, prefix: "" };
  return { task: cases.find(({ alsoOn }) => alsoOn?.includes(name))!, prefix: `${name}.` };
}

/** A figure of all seeds, in percent. */
function valuesOf(task: TaskCase, { name, scale = 100 }: Figure, start: string): number[] {
  const { task: source, prefix } = sourceOf(task);
  const own = results.filter((result) => result.name === (start === "baseline" ? task : source).name);
  return own
    .filter((result) => result.start === start)
    .flatMap(({ figures }) => figures[`${start === "baseline" ? "" : prefix}${name}`] ?? [])
    .map((value) => scale * value);
}

/** Mean ± sample standard deviation over the seeds. */
function cell(found: readonly number[]): string {
  if (found.length === 0) return "–";
  const { mean, deviation, count } = spread(found);
  const short = count === 3 ? "" : ` (${count})`;
  return count === 1 ? `${mean.toFixed(1)}${short}` : `${mean.toFixed(1)} ± ${deviation.toFixed(1)}${short}`;
}

const has = (task: TaskCase): boolean => starts.some(({ name }) => valuesOf(task, task.figures[0]!, name).length > 0);
const shown = cases.filter(has);

function countText({ name, numEpochs }: TaskCase): string {
  const found = sizes[name];
  if (found === undefined || numEpochs === 0) return "–";
  const whole = found.train === found.allTrain ? "" : ` of ${found.allTrain.toLocaleString("en-US")}`;
  return `${found.train.toLocaleString("en-US")}${whole}`;
}

const rows = shown.flatMap((task) =>
  task.figures.map((figure, i) => {
    const rule = results.find(({ name, start }) => name === task.name && start === "baseline")?.rule;
    const least = valuesOf(task, figure, "baseline");
    const base = least.length === 0 ? "–" : `${least[0]!.toFixed(1)} (${rule})`;
    const cells = starts.map(({ name }) => cell(valuesOf(task, figure, name)));
    const head =
      i > 0
        ? ["", figure.title, "", "", ""]
        : [
            ...[task.title, figure.title, countText(task), task.numEpochs > 0 ? `${task.numEpochs}` : "–"],
            (sizes[task.name]?.eval ?? 0).toLocaleString("en-US"),
          ];
    return `| ${[...head, base, ...cells].join(" | ")} |`;
  }),
);

const dotRows = shown.map((task): DotRow => {
  const figure = task.figures[0]!;
  const dots = starts.flatMap(({ name, title }) => {
    const found = valuesOf(task, figure, name);
    if (found.length === 0) return [];
    const { mean, deviation } = spread(found);
    return [{ name: title, mean, deviation: found.length > 1 ? deviation : undefined }];
  });
  const label = `${task.title.split(",")[0]} (${figure.title})`;
  return { label, dots, baseline: valuesOf(task, figure, "baseline")[0] };
});

const modelText = starts.flatMap(({ name, title }) => {
  const models = new Map<string, CaseResult["model"]>();
  for (const { start, model, name: of } of results) {
    const { language } = cases.find((task) => task.name === of) ?? {};
    if (start === name && model !== undefined && language !== undefined) models.set(language, model);
  }
  const languages = { en: "English", zh: "Chinese", dna: "DNA" } as const;
  return [...models].map(
    ([language, model]) =>
      `- ${title}, ${languages[language as keyof typeof languages]}: ${model!.layers} layers of width ${model!.hidden}, ${model!.vocabulary.toLocaleString("en-US")} tokens, ${model!.positions} places`,
  );
});

/** What must be known to read the figures of a start or a task that is there. */
const remarks = [
  ...(starts.some(({ name }) => name === "minilm")
    ? [
        "- MiniLM is all-MiniLM-L6-v2, which learnt to match 1.2 billion pairs of texts, those of SQuAD 2.0, SNLI and MultiNLI among them (its model card): questions and their answers are nothing new to it",
      ]
    : []),
  ...(results.some(({ name }) => name === "wnli")
    ? [
        "- WNLI's development sentences are often those of its training set with the other answer (GLUE's FAQ): what is remembered misleads, the more the better it is remembered",
      ]
    : []),
];

/** Settings that all runs have: they are told once. */
const common = ["warmupSteps=null", "warmupRatio=0.1", "selectBest=false", "evalSteps=100000"].map(
  (setting) => `--set train.${setting}`,
);

/** A command without what all have in common. */
const shortened = (line: string): string =>
  [...common, "--no-predictions"]
    .reduce((text, part) => text.replace(` ${part}`, ""), line)
    .replace(/ --output-dir \S+run\b/, "")
    .replace(/ --seeds \d+/, "")
    .replace(/ --engine \S+ --dtype \S+ --threads \S+/, "");

/** The commands of a task from one of its starts. */
function commandOf(task: TaskCase): string[] {
  const own = results.filter(({ name, start }) => name === task.name && start !== "baseline");
  const found = own.find(({ start }) => start === "here") ?? own[0];
  if (found === undefined) return [];
  return found.command.split("\n").map((line) => `    ${shortened(line)}`);
}

/** What can be told from the deviations: tasks where the pre-trained start is better than from scratch, or worse. */
function verdict(start: string): string {
  const compared = shown.flatMap((task) => {
    const [own, scratch] = [start, "scratch"].map((name) => spread(valuesOf(task, task.figures[0]!, name)));
    return own!.count < 2 || scratch!.count < 2 ? [] : [{ task, own: own!, scratch: scratch! }];
  });
  if (compared.length === 0) return "a seed or none of each task, which tells no deviation";
  const names = (sign: 1 | -1): string[] =>
    compared.flatMap(({ task, own, scratch }) => {
      const isClear = sign * (own.mean - scratch.mean) > 2 * Math.max(own.deviation, scratch.deviation);
      return isClear ? [task.title.split(",")[0]!] : [];
    });
  const told = (list: readonly string[]): string => (list.length === 0 ? "none" : list.join(", "));
  return `clearly better (by more than twice the larger deviation) on ${told(names(1))}; clearly worse on ${told(names(-1))}`;
}
const verdicts = starts
  .filter(({ fromScratch }) => !fromScratch)
  .map(({ name, title }) => `- ${title} against from scratch: ${verdict(name)}`);

const engines = [...new Set(results.flatMap(({ engine }) => engine ?? []))];
const minutes = starts.map(({ name, title }) => {
  const total = results.filter(({ start }) => start === name).reduce((sum, { seconds = 0 }) => sum + seconds, 0);
  return `${title} ${(total / 60).toFixed(0)}`;
});
const picture = "tasks.svg";
mkdirSync(out, { recursive: true });
writeFileSync(
  join(out, picture),
  dotChartSvg(
    "Held-out figures by task",
    starts.map(({ title }) => title),
    dotRows,
  ),
);

const curves = curveSection(folder, out);
const features = featureSection(folder, out);
writeFileSync(
  join(out, "tasks.md"),
  `# Tasks, pre-trained and from scratch

Every task by a recipe of the project, from different starts with three seeds (a number in brackets where there are others), on one
thread each. Figures are those of the benchmarks, in percent, on data that nothing was learnt from and nothing chosen by: the weights are
those of the last step, mean ± sample standard deviation over the seeds. Seeds decide order, dropout and the head (from scratch: all weights; DNA: the
tokens that symbols stand for); the pre-trained models are one each. *Without a model*: the commonest class, each word's commonest tag, the mean, or chance.

The networks are small and so are the parts of the data (*learnt from*): this shows what pre-training is worth, not how good a task can be.

![figures by task](${picture})

| task | figure | learnt from | epochs | held out | without a model | ${starts.map(({ title }) => title).join(" | ")} |
|${"---|".repeat(6 + starts.length)}
${rows.join("\n")}

${verdicts.join("\n")}
${[...modelText, ...remarks].join("\n")}
- peak rate: 3e-4 (tags and Banking77 5e-4), MiniLM a third; AdamW, 10 % warm-up, linear decay, batches of 32 (WikiQA: 8 questions)
- \`${engines.join("`, `")}\`; ${cpus()[0]!.model.trim()}, ${cpus().length} processors, Node ${process.version}, beside other work: minutes for all runs (${minutes.join(", ")}) are not speeds

DNA begins with the model of English text: its symbols stand for tokens drawn at random, three bases a token.
${curves}${features}${vectorSection(folder)}
## Commands

    npx tsx studies/tasks/prepare.ts DATA
    npx tsx studies/tasks/run.ts --here MODEL --chinese MODEL --minilm MINILM
    npx tsx studies/tasks/report.ts

What the second one runs (from scratch with \`--from-scratch\`), each with \`${common.join(" ")} --seeds 1,2,3\` and the engine above:

${shown.flatMap(commandOf).join("\n")}
`,
);
