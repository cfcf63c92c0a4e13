/** @file `firth evaluate` with a model that tags words. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadTagger, openTagger, type TagOptions, type TagPredictor } from "../../api/tagger.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { readJsonObject } from "../../formats/json-file.ts";
import { familyOf } from "../../models/families.ts";
import { formatTaggingResult } from "../../tasks/tagging-evaluation.ts";
import type { Session } from "../session.ts";
import { openTagged, type TaggedFileSettings, taggedFileFields } from "../settings/tagging-task.ts";
import type { TableSettings } from "../settings/text.ts";

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

const savedTable = defineConfig({ name: "task.json", fields: taggedFileFields });

/** How a tagger's training file was read. */
export async function savedReading(folder: string): Promise<TaggedFileSettings> {
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
