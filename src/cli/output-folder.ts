import { readdir } from "node:fs/promises";
import { CheckpointError } from "../base/errors.ts";

/**
 * Makes sure that a result will not mix with something else.
 * @throws {CheckpointError} OUTPUT_EXISTS unless the folder is missing or empty
 */
export async function requireNewFolder(folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new CheckpointError(`cannot be used as a folder: ${(cause as Error).message}. Choose another name.`, {
      code: "OUTPUT_EXISTS",
      path: folder,
      cause,
    });
  }
  if (names.length === 0) return;
  throw new CheckpointError(`exists already and holds ${names.length} entries. Choose another folder or remove it.`, {
    code: "OUTPUT_EXISTS",
    path: folder,
  });
}
