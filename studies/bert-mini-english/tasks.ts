/** The tasks of the study: where their files are, and what GLUE reports of them. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TableSource, tsv } from "../../src/index.ts";

/** Folder of the study's run. */
export const runFolder = join("runs", "bert-mini-english");

export interface Task {
  readonly name: string;
  readonly train: TableSource;
  readonly eval: TableSource;
  readonly textColumns: number | readonly [number, number];
  readonly labelColumn: number;
  readonly numEpochs: number;
  /** The figure GLUE reports. */
  readonly figure: "accuracy" | "matthews" | "f1";
}

/** What one fine-tuning gave. */
export interface TaskRun {
  readonly fromScratch: boolean;
  readonly seed: number;
  readonly accuracy: number;
  readonly matthews: number;
  readonly f1: number;
  readonly steps: number;
  readonly seconds: number;
  /** Training loss by step. */
  readonly curve: readonly (readonly [number, number])[];
}

export interface TaskResult {
  readonly name: string;
  readonly figure: Task["figure"];
  readonly numEpochs: number;
  /** Share of the commonest class in the development set. */
  readonly majority: number;
  readonly runs: readonly TaskRun[];
}

export const taskNames = ["SST-2", "CoLA", "MRPC"] as const;

export const resultFile = (name: string): string => join(runFolder, "finetune", `${name}.json`);

/** CoLA's development set in GLUE is both of its parts. */
async function colaDev(data: string): Promise<string> {
  const path = join(runFolder, "finetune", "cola-dev.tsv");
  const parts = ["in_domain_dev.tsv", "out_of_domain_dev.tsv"].map((name) =>
    readFile(join(data, "cola", name), "utf8"),
  );
  await mkdir(join(runFolder, "finetune"), { recursive: true });
  await writeFile(path, (await Promise.all(parts)).map((part) => `${part.trimEnd()}\n`).join(""));
  return path;
}

/** @param data folder of the data sets */
export async function studyTasks(data: string): Promise<readonly Task[]> {
  const bare = { header: false } as const;
  return [
    {
      name: "SST-2",
      train: tsv(join(data, "sst2", "train.tsv.gz"), bare),
      eval: tsv(join(data, "sst2", "dev.tsv"), bare),
      textColumns: 0,
      labelColumn: 1,
      numEpochs: 2,
      figure: "accuracy",
    },
    {
      name: "CoLA",
      train: tsv(join(data, "cola", "in_domain_train.tsv.gz"), bare),
      eval: tsv(await colaDev(data), bare),
      textColumns: 3,
      labelColumn: 1,
      numEpochs: 3,
      figure: "matthews",
    },
    {
      name: "MRPC",
      train: tsv(join(data, "mrpc", "msr-para-train.tsv.gz"), { header: true }),
      eval: tsv(join(data, "mrpc", "msr-para-val.tsv"), { header: true }),
      textColumns: [3, 4],
      labelColumn: 0,
      numEpochs: 3,
      figure: "f1",
    },
  ];
}
