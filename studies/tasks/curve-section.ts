/** @file The learning curves of the study: their files, and their part of the report. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type CurveRun, formatSpread, type LineChart, lineChartSvg, spread } from "../../src/index.ts";
import { casesOf } from "./cases.ts";
import { starts } from "./start.ts";

/** Tasks that curves are drawn of. */
export const curveTasks = ["sst2", "trec", "mrpc"] as const;

/** What `firth finetune --learning-curve` tells of one pre-trained model and of its network from scratch. */
export interface DrawnCurve {
  readonly name: string;
  readonly start: string;
  readonly command: string;
  readonly figure: string;
  readonly runs: readonly CurveRun[];
  readonly baseline?: { readonly name: string; readonly figures: Readonly<Record<string, number>> };
}

export const curveFile = (folder: string, task: string, start: string): string =>
  join(folder, "curves", `${task}.${start}.json`);

export function writeCurve(path: string, curve: DrawnCurve): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(curve)}\n`);
}

interface Line {
  readonly title: string;
  readonly points: readonly { readonly size: number; readonly values: readonly number[] }[];
}

/** Curves of a task: from scratch once, with the network of the first model, then each pre-trained one. */
function linesOfTask(curves: readonly DrawnCurve[]): Line[] {
  const line = (title: string, { runs, figure }: DrawnCurve, start: CurveRun["start"]): Line => {
    const own = runs.filter((run) => run.start === start);
    const sizes = [...new Set(own.map(({ size }) => size))].sort((a, b) => a - b);
    const valuesAt = (size: number): number[] =>
      own.filter((run) => run.size === size).map(({ figures }) => figures[figure]!);
    return { title, points: sizes.map((size) => ({ size, values: valuesAt(size) })) };
  };
  return [
    line("from scratch", curves[0]!, "from scratch"),
    ...curves.map((curve) => {
      const { title } = starts.find(({ name }) => name === curve.start)!;
      return line(title, curve, "pre-trained");
    }),
  ];
}

function chartOf(title: string, { figure, baseline }: DrawnCurve, lines: readonly Line[]): LineChart {
  const level = baseline?.figures[figure];
  return {
    ...{ title: `${title}: ${figure} over labelled items`, xLabel: "labelled items", yLabel: figure, logX: true },
    series: lines.flatMap(({ title: name, points }) => [
      { name, points: points.map(({ size, values }) => [size, spread(values).mean] as const), markers: true },
      { name, points: points.flatMap(({ size, values }) => values.map((value) => [size, value] as const)), dots: true },
    ]),
    ...(level === undefined ? {} : { references: [{ y: level, label: baseline!.name }] }),
  };
}

/** The section, with its pictures written beside the report; empty where no curve was drawn. */
export function curveSection(folder: string, out: string): string {
  const parts = curveTasks.flatMap((name) => {
    const files = starts.map((start) => curveFile(folder, name, start.name)).filter((file) => existsSync(file));
    const curves = files.map((file) => JSON.parse(readFileSync(file, "utf8")) as DrawnCurve);
    if (curves.length === 0) return [];
    const { title, figures } = casesOf("").find((task) => task.name === name)!;
    const lines = linesOfTask(curves);
    const short = title.split(",")[0]!;
    const picture = `tasks-curve-${name}.svg`;
    writeFileSync(join(out, picture), lineChartSvg(chartOf(short, curves[0]!, lines)));
    const sizes = lines[0]!.points.map(({ size }) => size);
    const rows = lines.map(({ title: start, points }) => {
      const cells = sizes.map((size) => {
        const found = points.find((point) => point.size === size)?.values ?? [];
        return formatSpread(spread(found.map((value) => 100 * value)), 1).replace(" (3 runs)", "");
      });
      return `| ${[start, ...cells].join(" | ")} |`;
    });
    return [
      `### ${short}: ${figures[0]!.title}, percent`,
      "",
      `![${short}](${picture})`,
      "",
      `| start | ${sizes.map((size) => size.toLocaleString("en-US")).join(" | ")} |`,
      `|${"---|".repeat(1 + sizes.length)}`,
      ...rows,
      "",
      ...curves.map(({ command }) => `    ${command}`),
      "",
    ];
  });
  if (parts.length === 0) return "";
  const told =
    "Smaller parts lie in larger ones; every run makes the same number of steps, so that small parts are seen again and again. The network from scratch is that of the model pre-trained here.";
  return `\n## With how many labelled items\n\n${told}\n\n${parts.join("\n")}`;
}
