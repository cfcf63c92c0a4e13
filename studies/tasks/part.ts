/** @file Parts of data: held out by a fixed rule, drawn by a seed, and written as the readers of tasks take them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Random } from "../../src/base/random.ts";
import type { DataParts, PartKind, ReadData } from "./case.ts";

/** Reads files of a data folder. */
export function reader(data: string): ReadData {
  return async (name, encoding = "utf8") => {
    const bytes = await readFile(join(data, name));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString(encoding);
    return text.replace(/^\uFEFF/, "");
  };
}

/** Lines with something in them. */
export const linesOf = (text: string): string[] => text.split(/\r?\n/).filter((line) => line.trim() !== "");

/** Cells of a table whose quotes are plain text. */
export const cellsOf = (text: string): string[][] => linesOf(text).map((line) => line.split("\t"));

/** Every so manieth item is held out. */
export function heldEvery<T>(items: readonly T[], every: number): DataParts<T> {
  const isHeld = (_item: T, i: number): boolean => i % every === every - 1;
  return { train: items.filter((item, i) => !isHeld(item, i)), eval: items.filter(isHeld) };
}

/** Every so manieth group is held out with all its items. */
export function heldGroups<T>(items: readonly T[], groupOf: (item: T) => string, every: number): DataParts<T> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(groupOf(item), [...(groups.get(groupOf(item)) ?? []), item]);
  const { train, eval: held } = heldEvery([...groups.values()], every);
  return { train: train.flat(), eval: held.flat() };
}

/** Some of the items, drawn by a seed; all where there are no more. */
export function drawn<T>(items: readonly T[], most: number | undefined, ...purpose: readonly string[]): readonly T[] {
  if (most === undefined || items.length <= most) return items;
  return new Random(0, "tasks", ...purpose).shuffle([...items]).slice(0, most);
}

/** A question of a file in SQuAD's layout, with its text. */
export interface AskedText {
  readonly title: string;
  readonly context: string;
  readonly question: object;
}

/** Questions in SQuAD's layout again: those of one text together. */
function squadText(items: readonly AskedText[]): string {
  const paragraphs = new Map<string, { readonly title: string; readonly context: string; readonly qas: object[] }>();
  for (const { title, context, question } of items) {
    const known = paragraphs.get(context) ?? { title, context, qas: [] };
    known.qas.push(question);
    paragraphs.set(context, known);
  }
  const data = [...paragraphs.values()].map(({ title, ...paragraph }) => ({ title, paragraphs: [paragraph] }));
  return JSON.stringify({ version: "1.1", data });
}

/** The text of a file with items of a kind. */
export function partText(kind: PartKind, items: readonly unknown[]): string {
  if (kind === "questions") return squadText(items as readonly AskedText[]);
  if (kind === "sentences") return `${items.join("\n\n")}\n\n`;
  return `${items.map((item) => JSON.stringify(item)).join("\n")}\n`;
}
