/** @file What a model's folder says of the task that it was fine-tuned for. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ColumnRef } from "../data/table.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { familyOf } from "../models/families.ts";

/** What a folder says of its task. */
export async function savedTask(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(folder, "task.json");
  return existsSync(path) ? readJsonObject(path) : {};
}

/** The columns that a folder says a model of texts was fine-tuned on; `text` where it does not. */
export function textColumnsOf({ textColumns }: Readonly<Record<string, unknown>>): readonly ColumnRef[] {
  if (isColumn(textColumns)) return [textColumns];
  const isList = Array.isArray(textColumns) && textColumns.length > 0 && textColumns.every(isColumn);
  return isList ? (textColumns as readonly ColumnRef[]) : ["text"];
}

export const isColumn = (value: unknown): value is ColumnRef => typeof value === "string" || typeof value === "number";

/** Whether a folder holds a model that writes a text for another: one that was fine-tuned so, or an encoder–decoder. */
export async function isWriterFolder(folder: string): Promise<boolean> {
  const family = await familyOf(folder);
  if ((await family.purposeOf(folder)) !== "pretraining") return false;
  if ((await savedTask(folder)).task === "sequenceToSequence") return true;
  return (await readJsonObject(join(folder, "config.json"))).is_encoder_decoder === true;
}
