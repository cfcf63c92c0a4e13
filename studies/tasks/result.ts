/** @file Results of the study: a line of JSON in a file of its own for each run, so that several processes may write. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What one run gave. */
export interface CaseResult {
  readonly name: string;
  /** `baseline`, or a start's name. */
  readonly start: string;
  readonly seed: number;
  /** By name; of other held-out data as `xquad.f1`. Null where a figure is not defined, as a correlation with a constant. */
  readonly figures: Readonly<Record<string, number | null>>;
  readonly command: string;
  /** Of a baseline: what is said of every item. */
  readonly rule?: string;
  readonly steps?: number;
  /** Of the command, as it tells it: reading, training, held-out figures. */
  readonly seconds?: number;
  /** Of the network that was trained. */
  readonly model?: ModelFacts;
  /** What it was computed with. */
  readonly engine?: string;
}

/** The size of a network, from its config. */
export interface ModelFacts {
  readonly layers: number;
  readonly hidden: number;
  readonly vocabulary: number;
  readonly positions: number;
}

type ResultKey = Pick<CaseResult, "name" | "start" | "seed">;

const fileOf = (folder: string, { name, start, seed }: ResultKey): string =>
  join(folder, `${name}.${start}.${seed}.json`);

/** Whether a run's result is there. */
export const hasResult = (folder: string, key: ResultKey): boolean => existsSync(fileOf(folder, key));

/** Writes a run's result; it is there as a whole or not at all. */
export function writeResult(folder: string, result: CaseResult): void {
  mkdirSync(folder, { recursive: true });
  const path = fileOf(folder, result);
  writeFileSync(`${path}.part`, `${JSON.stringify(result)}\n`);
  renameSync(`${path}.part`, path);
}

/** All results of a folder, by name. */
export function readResults(folder: string): CaseResult[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as CaseResult);
}
