/** @file `firth predict` and `firth evaluate` with a model that tags words. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadTagger, openTagger, type TaggedText, type TagOptions, type TagPredictor } from "../../api/tagger.ts";
import { DataError } from "../../base/errors.ts";
import { type ColumnRef, cellValue, type TableRow, type TableSource } from "../../data/table.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { readJsonObject } from "../../formats/json-file.ts";
import { familyOf } from "../../models/families.ts";
import { formatTaggingResult } from "../../tasks/tagging-evaluation.ts";
import type { Session } from "../session.ts";
import { openTagged, type TaggedFileSettings, taggedFileFields } from "../settings/tagging-task.ts";
import type { TableSettings } from "../settings/text.ts";

/** Rows that are tagged together. */
const CHUNK = 512;

/** Whether a folder holds a tagger. */
export async function isTaggerModel(folder: string): Promise<boolean> {
  if (!existsSync(join(folder, "config.json"))) return false;
  return (await (await familyOf(folder)).purposeOf(folder)) === "tokenClassification";
}

async function withTagger(folder: string, options: TagOptions, work: (tagger: TagPredictor) => Promise<void>) {
  const tagger = await openTagger(await loadTagger(folder), options);
  try {
    await work(tagger);
  } finally {
    await tagger.dispose();
  }
}

/** The words of a row, or its text. */
function sentenceOf(row: TableRow, column: ColumnRef, file: string): string | string[] {
  const value = cellValue(row, column, file);
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((word) => typeof word === "string" && word !== "")) return value as string[];
  throw new DataError(
    `line ${row.line}: column ${column} must hold a text, or a list of words; got ${JSON.stringify(value)?.slice(0, 60)}.`,
    { code: "CELL_NOT_TEXT", path: file, details: { line: row.line, column } },
  );
}

/** Fields for tags. Places are code points of the text, or of the words joined by spaces. */
function addedFields({ words, entities }: TaggedText, as: string, isUsual: boolean): Record<string, unknown> {
  const named = (name: string): string => (isUsual ? name : `${as}${name[0]!.toUpperCase()}${name.slice(1)}`);
  const places = words.map(({ word, codePointStart: start, codePointEnd: end }) => ({ word, start, end }));
  return {
    [as]: words.map(({ tag }) => tag),
    [named("probabilities")]: words.map(({ probability }) => probability),
    [named("places")]: places,
    ...(entities && {
      [named("entities")]: entities.map(({ codePointStart, codePointEnd, start: _s, end: _e, ...entity }) => ({
        ...entity,
        start: codePointStart,
        end: codePointEnd,
      })),
    }),
  };
}

export interface TagRows {
  readonly source: TableSource;
  /** Of the words or the text; undefined: `words` where a row has it, else `text`. */
  readonly column: ColumnRef | undefined;
  /** Field for the tags. */
  readonly as: string;
  readonly isUsual: boolean;
}

/**
 * Writes each row with its tags and entities as a JSON line.
 * @throws {DataError} FIELD_TAKEN, CELL_NOT_TEXT, COLUMN_UNKNOWN, naming file and line
 */
export async function tagRows(
  session: Session,
  folder: string,
  { source, column, as, isUsual }: TagRows,
  options: TagOptions,
): Promise<void> {
  await withTagger(folder, options, async (tagger) => {
    const flush = async (rows: readonly TableRow[]): Promise<void> => {
      const sentences = rows.map((row) => {
        const usual = Object.hasOwn(row.fields, "words") ? "words" : "text";
        return sentenceOf(row, column ?? usual, source.name);
      });
      const tagged = await tagger.tag(sentences);
      for (const [i, { fields, line }] of rows.entries()) {
        const added = addedFields(tagged[i]!, as, isUsual);
        const taken = Object.keys(added).find((name) => Object.hasOwn(fields, name));
        if (taken !== undefined) {
          throw new DataError(`line ${line}: has a field ${taken} of its own. Give --as another name.`, {
            code: "FIELD_TAKEN",
            path: source.name,
          });
        }
        await session.line(JSON.stringify({ ...fields, ...added }));
      }
    };
    let rows: TableRow[] = [];
    for await (const row of source.rows()) {
      rows.push(row);
      if (rows.length < CHUNK) continue;
      await flush(rows);
      rows = [];
    }
    await flush(rows);
  });
}

const savedTable = defineConfig({ name: "task.json", fields: taggedFileFields });

/** How a tagger's training file was read. */
async function savedReading(folder: string): Promise<TaggedFileSettings> {
  const path = join(folder, "task.json");
  const { task: _task, ...saved } = existsSync(path) ? await readJsonObject(path) : {};
  return savedTable.resolve(saved);
}

/** Figures on a file of tagged sentences. */
export async function evaluateTags(
  session: Session,
  folder: string,
  { file, reading }: { readonly file: string; readonly reading: Pick<TableSettings, "encoding" | "invalid"> },
  options: TagOptions,
): Promise<void> {
  const saved = await savedReading(folder);
  const source = openTagged(file, saved, reading);
  const scheme = saved.scheme === "keep" ? null : saved.scheme;
  await withTagger(folder, options, async (tagger) => {
    const result = await tagger.evaluate(source, { scheme });
    session.result({ model: folder, data: file, ...result }, formatTaggingResult(result).trimEnd());
  });
}
