/** @file Settings for reading text: the same for recipes and for the command line. */

import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../base/errors.ts";
import { csv, tsv } from "../../data/delimited.ts";
import { jsonLines } from "../../data/json-lines.ts";
import { manifestFile } from "../../data/manifest.ts";
import { joinSources, type TextSource } from "../../data/source.ts";
import { folderFiles, textFile, textFolder } from "../../data/text-file.ts";
import {
  type ConfigField,
  type ConfigOf,
  choiceField,
  defineFields,
  listField,
  nullableField,
  textField,
} from "../../formats/config-fields.ts";

/** A column by its name, or its number from 0. */
export function columnField(doc: string): ConfigField<string | number, true> {
  return {
    ...textField({ doc }),
    kind: "column name, or number from 0",
    check: (value) =>
      typeof value === "string" || (typeof value === "number" && Number.isInteger(value) && value >= 0)
        ? { value }
        : { rule: `must be a column's name, or its number from 0; got ${JSON.stringify(value)}.` },
  };
}

const headerChoices = choiceField(["auto", "yes", "no"], {
  default: "auto",
  doc: "Whether a table's first row names its columns.",
});
/** YAML's true and false mean yes and no. */
const headerField: typeof headerChoices = {
  ...headerChoices,
  check: (value) => headerChoices.check(value === true ? "yes" : value === false ? "no" : value),
};

/** How the cells of tables are found. */
export const tableFields = defineFields({
  encoding: choiceField(["utf-8", "latin1", "windows-1252", "gb18030"], {
    default: "utf-8",
    doc: "How the bytes spell characters.",
  }),
  invalid: choiceField(["error", "replace"], { default: "error", doc: "Bytes that the encoding does not allow." }),
  header: headerField,
  delimiter: nullableField(
    textField({ doc: "Character between the cells of a table; null: tab (.tsv) or comma (.csv)." }),
  ),
  extraColumns: choiceField(["error", "ignore"], { default: "error", doc: "Rows with more cells than the first." }),
});

/** The same where a table may lack the names of its columns. */
export const namedTableFields = defineFields({
  ...tableFields,
  columns: nullableField(
    listField(textField({ doc: "" }), { doc: "Names for the columns of a table without header." }),
  ),
});

export type TableSettings = ConfigOf<typeof tableFields>;

/** How files become documents and sentences. */
export const textFields = defineFields({
  ...tableFields,
  documentEnd: choiceField(["blankLine", "file", "line"], { default: "blankLine", doc: "What ends a document." }),
  sentences: choiceField(["segment", "line"], {
    default: "segment",
    doc: "Sentences by Unicode rules, or one a line.",
  }),
  locale: textField({ default: "en", doc: "Language of the sentence rules (BCP 47)." }),
  unwrap: choiceField(["auto", "always", "never"], {
    default: "auto",
    doc: "Joining the lines of hard-wrapped paragraphs.",
  }),
  files: nullableField(textField({ doc: "Which files of a folder are read; null: **/*.{txt,txt.gz}." })),
  column: nullableField(columnField("Column (or JSON field) of a table that holds the text.")),
});

export type TextSettings = ConfigOf<typeof textFields>;

const tableName = /\.(tsv|csv|jsonl|ndjson|json)(\.gz)?$/i;

/** Whether a file is read as a table, by its name. */
export function isTable(path: string): boolean {
  return tableName.test(path);
}

/** Opens a table by the kind that its name says: .jsonl, .ndjson, .json, .csv, all else tab-separated; or by another kind. */
export function openTable(
  path: string,
  settings: TableSettings & Partial<TextSettings> & { readonly columns?: readonly string[] | null },
  given?: "jsonl" | "csv" | "tsv",
) {
  const { encoding, invalid, extraColumns } = settings;
  const kind = given ?? tableName.exec(path)?.[1]?.toLowerCase() ?? "tsv";
  const { documentEnd, sentences, locale, unwrap, column } = settings;
  const text = Object.fromEntries(
    Object.entries({ documentEnd, sentences, locale, unwrap }).filter(([, value]) => value !== undefined),
  );
  if (kind !== "tsv" && kind !== "csv") {
    return jsonLines(path, { encoding, invalid, ...text, ...(column == null ? {} : { field: column }) });
  }
  const read = kind === "csv" ? csv : tsv;
  return read(path, {
    encoding,
    invalid,
    extraColumns,
    header: settings.header === "auto" ? "auto" : settings.header === "yes",
    ...text,
    ...(settings.columns == null ? {} : { columns: settings.columns }),
    ...(settings.delimiter === null ? {} : { delimiter: settings.delimiter }),
    ...(column == null ? {} : { column }),
  });
}

function openFile(path: string, settings: TextSettings): TextSource {
  return isTable(path) ? openTable(path, settings) : textFile(path, settings);
}

async function openPath(path: string, settings: TextSettings): Promise<TextSource[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    if (existsSync(join(path, manifestFile))) {
      throw new DataError("is a prepared corpus, not text. Name the text files; a recipe takes it as data.corpus.", {
        code: "INPUT_IS_CORPUS",
        path,
      });
    }
    const { files, ...rest } = settings;
    if (files === null) return [textFolder(path, rest)];
    return (await folderFiles(path, files)).map((file) => openFile(file, settings));
  }
  // A pattern that the shell left alone, as in a recipe.
  const star = path.search(/[*?{]/);
  if (found === undefined && star !== -1) {
    const folder = path.slice(0, path.lastIndexOf("/", star) + 1);
    const files = await folderFiles(folder === "" ? "." : folder, path.slice(folder.length));
    return files.map((file) => openFile(file, settings));
  }
  return [openFile(path, settings)];
}

/**
 * Opens text files, tables and folders as one corpus.
 * @param paths files (plain, .tsv, .csv, .jsonl; also gzipped), folders, or patterns such as `corpus/**\/*.txt`
 * @throws {DataError} INPUT_IS_CORPUS, FILE_MISSING, FOLDER_NO_FILES
 */
export async function openText(paths: readonly string[], settings: TextSettings): Promise<TextSource> {
  const sources = (await Promise.all(paths.map((path) => openPath(path, settings)))).flat();
  return sources.length === 1 ? sources[0]! : joinSources(sources);
}
