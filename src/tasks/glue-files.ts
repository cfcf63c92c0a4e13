/** @file Where the files of GLUE lie, and what their columns are: as its own archive has them, and as their sources do. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../base/errors.ts";
import { fileLines } from "../data/file-lines.ts";
import { type ColumnRef, type TableRow, TableSource } from "../data/table.ts";
import type { GlueTaskName } from "./glue.ts";

/** The parts of a task; several files are read one after the other. `diagnostic`: GLUE's AX, which a model of MNLI answers. */
export type GluePart = "train" | "dev" | "devMismatched" | "test" | "testMismatched" | "diagnostic";

/** Parts without labels, of which every row must have a prediction. */
const testParts: readonly string[] = ["test", "testMismatched", "diagnostic"] satisfies GluePart[];

interface GlueLayout {
  readonly folder: string;
  readonly files: Readonly<Partial<Record<GluePart, readonly string[]>>>;
  /** Names of the columns where the first row of train and dev is no header. */
  readonly columns?: readonly string[];
  readonly text: readonly [ColumnRef] | readonly [ColumnRef, ColumnRef];
  readonly label: ColumnRef;
}

const parts = { train: ["train.tsv"], dev: ["dev.tsv"], test: ["test.tsv"] } as const;
const sentences = ["sentence1", "sentence2"] as const;

/** The archive's layout first. */
const layouts: Readonly<Record<GlueTaskName, readonly GlueLayout[]>> = {
  cola: [
    {
      folder: "CoLA",
      files: parts,
      columns: ["source", "label", "mark", "sentence"],
      text: ["sentence"],
      label: "label",
    },
    {
      // GLUE's dev set is both of the corpus's, its test set is not public.
      folder: "cola",
      files: { train: ["in_domain_train.tsv"], dev: ["in_domain_dev.tsv", "out_of_domain_dev.tsv"] },
      columns: ["source", "label", "mark", "sentence"],
      text: ["sentence"],
      label: "label",
    },
  ],
  sst2: [
    { folder: "SST-2", files: parts, text: ["sentence"], label: "label" },
    { folder: "sst2", files: parts, columns: ["sentence", "label"], text: ["sentence"], label: "label" },
  ],
  mrpc: [
    { folder: "MRPC", files: parts, text: ["#1 String", "#2 String"], label: "Quality" },
    {
      folder: "mrpc",
      files: { train: ["msr-para-train.tsv"], dev: ["msr-para-val.tsv"] },
      text: ["#1 String", "#2 String"],
      label: "Quality",
    },
  ],
  stsb: [
    { folder: "STS-B", files: parts, text: sentences, label: "score" },
    {
      folder: "stsb",
      files: { train: ["sts-train.csv"], dev: ["sts-dev.csv"] },
      columns: ["genre", "file", "year", "id", "score", ...sentences],
      text: sentences,
      label: "score",
    },
  ],
  qqp: [
    { folder: "QQP", files: parts, text: ["question1", "question2"], label: "is_duplicate" },
    {
      folder: "qqp",
      files: parts,
      columns: ["is_duplicate", "question1", "question2", "id"],
      text: ["question1", "question2"],
      label: "is_duplicate",
    },
  ],
  mnli: ["MNLI", "mnli"].map((folder) => ({
    folder,
    files: {
      train: ["train.tsv"],
      dev: ["dev_matched.tsv"],
      devMismatched: ["dev_mismatched.tsv"],
      test: ["test_matched.tsv"],
      testMismatched: ["test_mismatched.tsv"],
      diagnostic: [join("..", "diagnostic", "diagnostic.tsv")],
    },
    text: sentences,
    label: "gold_label",
  })),
  qnli: ["QNLI", "qnli"].map((folder) => ({ folder, files: parts, text: ["question", "sentence"], label: "label" })),
  rte: ["RTE", "rte"].map((folder) => ({ folder, files: parts, text: sentences, label: "label" })),
  wnli: ["WNLI", "wnli"].map((folder) => ({ folder, files: parts, text: sentences, label: "label" })),
};

/** The files of a task that were found. */
export interface GlueData {
  readonly textColumns: GlueLayout["text"];
  readonly labelColumn: ColumnRef;
  readonly tables: Readonly<Partial<Record<GluePart, TableSource>>>;
  /** Paths that were read for each part. */
  readonly paths: Readonly<Partial<Record<GluePart, readonly string[]>>>;
  /** Rows of those read so far that were passed over since they lack cells, as a few of QQP's do. */
  readonly numBroken: () => number;
}

/** A file, or the same one packed. */
function fileAt(path: string): string | undefined {
  return [path, `${path}.gz`].find((one) => existsSync(one));
}

/** What stands for an empty text of a test set, whose rows must all have a prediction. */
const NO_TEXT = ".";

interface RowReading {
  readonly columns: readonly string[] | undefined;
  readonly text: readonly ColumnRef[];
  /** Every row is given, whatever it lacks. */
  readonly isTest: boolean;
  readonly onBroken: (place: string) => void;
}

/** The rows of files; those that lack cells or text are counted and passed over, surplus cells are dropped. */
async function* rowsOf(
  paths: readonly string[],
  { columns, text: textColumns, isTest, onBroken }: RowReading,
): AsyncGenerator<TableRow> {
  for (const path of paths) {
    let names = columns;
    // Some of QQP's curly quotes have lost a byte.
    for await (const { text, line } of fileLines(path, { invalid: "replace" })) {
      if (text === "") continue;
      const cells = text.split("\t");
      if (names === undefined) {
        names = cells;
        continue;
      }
      const fields = Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]));
      const empty = textColumns.filter((name) => (fields[name] ?? NO_TEXT).trim() === "");
      if (isTest) yield { fields: { ...fields, ...Object.fromEntries(empty.map((name) => [name, NO_TEXT])) }, line };
      else if (cells.length < names.length || empty.length > 0) onBroken(`${path}:${line}`);
      else yield { fields, line };
    }
  }
}

/**
 * Finds the files of a task in a folder, as GLUE's archive names them or as they lie at their sources, packed or not.
 * @returns the files, or what is missing in words
 */
export function findGlueData(folder: string, task: GlueTaskName): GlueData | { readonly missing: string } {
  const tried: string[] = [];
  for (const { folder: own, files, columns, text, label } of layouts[task]) {
    const paths: Partial<Record<GluePart, readonly string[]>> = {};
    for (const [part, names] of Object.entries(files) as [GluePart, readonly string[]][]) {
      const found = names.flatMap((name) => fileAt(join(folder, own, name)) ?? []);
      if (found.length === names.length) paths[part] = found;
      else if (part === "train" || part === "dev") tried.push(join(own, names.join(" and ")));
    }
    if (paths.train === undefined || paths.dev === undefined) continue;
    const broken = new Set<string>();
    const tableOf = ([part, list]: [string, readonly string[]]) => {
      // Test sets have a header whatever the others have.
      const isTest = testParts.includes(part);
      const reading = {
        columns: isTest ? undefined : columns,
        text,
        isTest,
        onBroken: (place: string) => void broken.add(place),
      };
      const rows = () => rowsOf(list, reading);
      return [part, new TableSource(list.join(" + "), rows, {})] as const;
    };
    const tables = Object.fromEntries(Object.entries(paths).map(tableOf)) as GlueData["tables"];
    return { textColumns: text, labelColumn: label, tables, paths, numBroken: () => broken.size };
  }
  return { missing: `no ${tried.join(", no ")}` };
}

/**
 * The id of a row in a test set: its first cell.
 * @throws {DataError} ID_MISSING
 */
export function glueId({ fields, line }: Pick<TableRow, "fields" | "line">, file: string): string {
  const [id] = Object.values(fields);
  if (typeof id === "string" && id !== "") return id;
  throw new DataError(`line ${line}: must begin with the row's id. Use GLUE's own test file.`, {
    code: "ID_MISSING",
    path: file,
  });
}
