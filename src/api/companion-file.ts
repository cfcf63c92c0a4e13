/** @file What stands beside a model's weights and says how it is used: it goes along where the model is written anew. */
import { existsSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Folders of sentence-transformers' modules, as `1_Pooling`. */
const moduleFolder = /^\d+_\w+$/;
/** Heads that lie in files of their own: over stored vectors, and of several tasks. */
const headFile = /^(feature_head|heads)\.safetensors$/;

/** Whether an entry says something of a model beside its weights, settings and vocabulary. */
export function isCompanion(name: string): boolean {
  return name.endsWith(".json") || moduleFolder.test(name) || headFile.test(name);
}

/** Copies the entries of a folder that are wanted, but for those that are there already. */
export async function copyEntries(from: string, to: string, isWanted: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(from)) {
    if (!isWanted(name) || existsSync(join(to, name))) continue;
    await cp(join(from, name), join(to, name), { recursive: true });
  }
}
