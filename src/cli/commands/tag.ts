/** @file `firth evaluate` with a model that tags words. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { findTask, isMultiTaskModel, loadTaskTagger, readTasks, tagsWords } from "../../api/multi-task-model.ts";
import { loadTagger, openTagger, type Tagger, type TagOptions } from "../../api/tagger.ts";
import { readJsonObject } from "../../formats/json-file.ts";
import { isJsonObject } from "../../formats/json-text.ts";
import { familyOf } from "../../models/families.ts";
import { formatTaggingResult } from "../../tasks/tagging-evaluation.ts";
import type { Session } from "../session.ts";
import { openTagged, readTaggedReading, type TaggedFileSettings } from "../settings/tagging-task.ts";
import type { TableSettings } from "../settings/text.ts";

/**
 * Whether a folder holds a tagger, or one task out of several that tags words.
 * @param task the value of `--task`
 * @throws {ConfigError} TASK_MISSING, TASK_UNKNOWN
 */
export async function isTaggerModel(folder: string, task?: string): Promise<boolean> {
  if (isMultiTaskModel(folder)) return tagsWords(findTask(await readTasks(folder), task, folder));
  if (!existsSync(join(folder, "config.json"))) return false;
  return (await (await familyOf(folder)).purposeOf(folder)) === "tokenClassification";
}

/** A tagger, and how its training file was read. */
export interface GivenTagger {
  readonly tagger: Tagger;
  readonly reading: TaggedFileSettings;
}

/** Opens the tagger of a folder, or of one task out of several. */
export async function openGivenTagger(folder: string, task?: string): Promise<GivenTagger> {
  if (isMultiTaskModel(folder)) {
    const tagger = await loadTaskTagger(folder, task);
    const { reading } = tagger.task.settings;
    return { tagger, reading: readTaggedReading(isJsonObject(reading) ? reading : {}) };
  }
  const path = join(folder, "task.json");
  const { task: _task, ...saved } = existsSync(path) ? await readJsonObject(path) : {};
  return { tagger: await loadTagger(folder), reading: readTaggedReading(saved) };
}

/** Figures on a file of tagged sentences. */
export async function evaluateTags(
  session: Session,
  { model, task }: { readonly model: string; readonly task: string | undefined },
  { file, reading }: { readonly file: string; readonly reading: Pick<TableSettings, "encoding" | "invalid"> },
  options: TagOptions,
): Promise<void> {
  const given = await openGivenTagger(model, task);
  const source = openTagged(file, given.reading, reading);
  const scheme = given.reading.scheme === "keep" ? null : given.reading.scheme;
  const tagger = await openTagger(given.tagger, options);
  try {
    const result = await tagger.evaluate(source, { scheme });
    session.result({ model, data: file, ...result }, formatTaggingResult(result).trimEnd());
  } finally {
    await tagger.dispose();
  }
}
