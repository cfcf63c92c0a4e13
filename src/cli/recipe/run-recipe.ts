/** @file The recipe that a run's folder holds: what was resolved, and whether a run may go on. */
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { CheckpointError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { isSection, type Section } from "./problems.ts";
import { readRecipe } from "./read-recipe.ts";

/** Name of the resolved recipe in a run's folder. */
export const recipeFile = "recipe.yaml";

/** What may change between the parts of one run: the numbers do not depend on it. */
const free = ["outputDir", "engine"];

function flatten(value: unknown, path: string, into: Map<string, string>): Map<string, string> {
  if (isSection(value)) {
    for (const [key, inner] of Object.entries(value)) flatten(inner, path === "" ? key : `${path}.${key}`, into);
  } else into.set(path, JSON.stringify(value) ?? "null");
  return into;
}

/** Settings that differ, as `train.seed is 1 there and 2 here`. */
function differences(there: Section, here: Section): string[] {
  const [before, now] = [flatten(there, "", new Map()), flatten(here, "", new Map())];
  return [...new Set([...before.keys(), ...now.keys()])]
    .filter((path) => !free.includes(path.split(".")[0]!) && before.get(path) !== now.get(path))
    .map((path) => `${path} is ${before.get(path) ?? "not set"} there and ${now.get(path) ?? "not set"} here`);
}

/**
 * Takes a folder for a run: a new one gets the resolved recipe, one that holds the same run is gone on with.
 * @returns whether the folder held this run before
 * @throws {CheckpointError} RUN_MISMATCH for another run, OUTPUT_EXISTS for anything else, NOT_WRITABLE
 */
export async function claimRunFolder(folder: string, recipe: object): Promise<boolean> {
  const path = join(folder, recipeFile);
  const resolved = JSON.parse(JSON.stringify(recipe)) as Section;
  if (existsSync(path)) {
    const differing = differences(await readRecipe(path), resolved);
    if (differing.length === 0) return true;
    const shown = differing.length > 4 ? [...differing.slice(0, 4), `${differing.length - 4} more`] : differing;
    throw new CheckpointError(
      `holds another run: ${shown.join("; ")}. Choose another outputDir, or remove the folder.`,
      {
        code: "RUN_MISMATCH",
        path: folder,
        details: { differing },
      },
    );
  }
  let names: string[] = [];
  try {
    await mkdir(folder, { recursive: true });
    names = await readdir(folder);
  } catch (cause) {
    throw new CheckpointError(
      `cannot be made or used as a folder: ${(cause as Error).message}. Choose another outputDir.`,
      {
        code: "NOT_WRITABLE",
        path: folder,
        cause,
      },
    );
  }
  if (names.length > 0) {
    throw new CheckpointError(
      `exists already and holds no run of Firth (${names.slice(0, 3).join(", ")}). Choose another outputDir.`,
      { code: "OUTPUT_EXISTS", path: folder },
    );
  }
  await writeFileAtomic(path, `# Every setting of this run.\n${stringify(resolved)}`);
  return false;
}
