/** @file A head over stored vectors beside fine-tuning: results, and their part of the report. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatSpread, lineChartSvg, spread } from "../../src/index.ts";
import { casesOf } from "./cases.ts";
import { starts } from "./start.ts";

export const featureTasks = ["sst2", "mrpc", "trec"] as const;
/** A head over stored vectors, or the whole network. */
export const methods = ["features", "whole"] as const;
export type Method = (typeof methods)[number];

interface FeatureKey {
  readonly name: string;
  readonly start: string;
  readonly method: Method;
  readonly seed: number;
}

export interface FeatureResult extends FeatureKey {
  readonly figures: Readonly<Record<string, number>>;
  /** Seconds in which vectors were computed. */
  readonly extracting: number;
  /** Texts whose vectors were computed: none where they were there. */
  readonly numExtracted: number;
  /** Seconds of each epoch's steps. */
  readonly epochSeconds: readonly number[];
  readonly engine: string;
}

export const featureFolder = (folder: string): string => join(folder, "features");
const fileOf = (folder: string, { name, start, method, seed }: FeatureKey): string =>
  join(featureFolder(folder), `${name}.${start}.${method}.${seed}.json`);

export const hasFeatureResult = (folder: string, key: FeatureKey): boolean => existsSync(fileOf(folder, key));

export function writeFeatureResult(folder: string, result: FeatureResult): void {
  mkdirSync(featureFolder(folder), { recursive: true });
  const path = fileOf(folder, result);
  writeFileSync(`${path}.part`, `${JSON.stringify(result)}\n`);
  renameSync(`${path}.part`, path);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const methodTitles = { features: "head over stored vectors", whole: "fine-tuning" } as const;

/** The first run of its kind: the one that computed the vectors. */
const firstOf = (own: readonly FeatureResult[]): FeatureResult =>
  own.find(({ numExtracted }) => numExtracted > 0) ?? own[0]!;

/** Seconds gone at the end of each epoch, from those before the first. */
function timeline({ extracting, epochSeconds }: FeatureResult): [number, number][] {
  let gone = extracting;
  const points: [number, number][] = [[0, gone]];
  epochSeconds.forEach((seconds, i) => {
    gone += seconds;
    points.push([i + 1, gone]);
  });
  return points;
}

/** The section, with its picture written beside the report; empty where nothing was run. */
export function featureSection(folder: string, out: string): string {
  if (!existsSync(featureFolder(folder))) return "";
  const files = readdirSync(featureFolder(folder)).filter((name) => name.endsWith(".json"));
  const results = files.map(
    (name) => JSON.parse(readFileSync(join(featureFolder(folder), name), "utf8")) as FeatureResult,
  );
  if (results.length === 0) return "";
  const groups = featureTasks.flatMap((name) =>
    starts.flatMap((start) =>
      methods.flatMap((method) => {
        const own = results.filter((one) => one.name === name && one.start === start.name && one.method === method);
        return own.length === 0 ? [] : [{ name, start, method, own }];
      }),
    ),
  );
  const rows = groups.map(({ name, start, method, own }) => {
    const { title, figures } = casesOf("").find((task) => task.name === name)!;
    const [figure] = figures;
    const first = firstOf(own);
    const again = own.filter((run) => run !== first);
    const total = (run: FeatureResult): number => run.extracting + sum(run.epochSeconds);
    const later = mean(own.map(({ epochSeconds }) => mean(epochSeconds.slice(1))));
    const quality = formatSpread(spread(own.map((run) => 100 * run.figures[figure!.name]!)), 1);
    const cells = [
      ...[
        title.split(",")[0],
        start.title,
        methodTitles[method],
        `${figure!.title} ${quality.replace(" (3 runs)", "")}`,
      ],
      ...[`${first.epochSeconds.length}`, (first.extracting + first.epochSeconds[0]!).toFixed(1), later.toFixed(2)],
      ...[total(first).toFixed(1), again.length === 0 ? "–" : mean(again.map(total)).toFixed(1)],
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const drawn = groups.filter(({ name }) => name === featureTasks[0]);
  const picture = "tasks-features.svg";
  const chart = {
    ...{ title: "SST-2: seconds gone at the end of each epoch", xLabel: "epoch", yLabel: "seconds" },
    series: drawn.map(({ start, method, own }) => ({
      name: `${methodTitles[method]}, ${start.title}`,
      ...{ points: timeline(firstOf(own)), markers: true, dashed: method === "features" },
    })),
  };
  if (drawn.length > 0) writeFileSync(join(out, picture), lineChartSvg(chart));
  return `
## A head over stored vectors, or the whole network

Vectors are the mean and the maximum over the tokens of the last two layers, computed once and kept on disk; the head is trained for more
epochs at 1e-3, which cost no encoder. *Another seed*: seconds of a further run, which finds the vectors there. Seconds of steps and of
computing vectors, on ${[...new Set(results.map(({ engine }) => engine))].join(" and ")}, beside other work.

${drawn.length > 0 ? `![seconds by epoch](${picture})\n` : ""}
| task | start | method | figure | epochs | first epoch, s | each later epoch, s | whole run, s | another seed, s |
|${"---|".repeat(9)}
${rows.join("\n")}

    npx tsx studies/tasks/features.ts --here MODEL --minilm MINILM
`;
}
