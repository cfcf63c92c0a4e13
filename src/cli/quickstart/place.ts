/** @file The folder of a quickstart. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../../base/errors.ts";

/** The last file of a run: one that has it is finished. */
export const reportName = "report.html";

/** All that a run leaves, and what a desktop may leave beside it. */
const ownNames: readonly string[] = [
  ...["train.jsonl", "dev.jsonl", "pretraining", "model", "classifier"],
  ...["figures.json", "pretraining.svg", "accuracy.svg", reportName, ".DS_Store"],
];

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new CheckpointError(`cannot be used as a folder: ${(cause as Error).message}. Give --out another name.`, {
      code: "OUTPUT_EXISTS",
      path: folder,
      cause,
    });
  }
}

/**
 * Takes a folder for a run: a finished one makes room for a new one, an interrupted one goes on.
 * @throws {CheckpointError} OUTPUT_EXISTS where the folder holds anything that no quickstart makes; nothing is removed then
 */
export async function makeRoom(folder: string): Promise<void> {
  const names = await namesIn(folder);
  const foreign = names.find((name) => !ownNames.includes(name));
  if (foreign !== undefined) {
    throw new CheckpointError(`holds ${foreign}, which is of no quickstart. Give --out another folder.`, {
      code: "OUTPUT_EXISTS",
      path: folder,
    });
  }
  if (!names.includes(reportName)) return;
  for (const name of names) await rm(join(folder, name), { recursive: true });
}
