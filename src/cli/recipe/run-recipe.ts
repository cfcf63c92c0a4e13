/** @file The recipe that a run's folder holds: what was resolved, and whether a run may go on. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { CheckpointError, ConfigError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { listCheckpoints } from "../../formats/checkpoint.ts";
import { isSection, type Section } from "./problems.ts";
import { readRecipe } from "./read-recipe.ts";

/** Name of the resolved recipe in a run's folder. */
export const recipeFile = "recipe.yaml";

/** What a run makes of its text before it trains. */
export const preparedNames = ["tokenizer", "corpus", "corpus-eval"] as const;

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

/** A folder's recipe with all its settings; as it stands where it can no longer be read so. */
function completed(there: Section, complete: (there: Section) => object): Section {
  try {
    return JSON.parse(JSON.stringify(complete(there))) as Section;
  } catch (error) {
    if (error instanceof ConfigError) return there;
    throw error;
  }
}

/**
 * Takes a folder for a run: a new one gets the resolved recipe, one that holds the same run is gone on with.
 * @param complete gives settings that the folder's recipe lacks, as it is older than they are, their usual values
 * @returns whether the folder held this run before
 * @throws {CheckpointError} RUN_MISMATCH for another run, OUTPUT_EXISTS for anything else, NOT_WRITABLE
 */
export async function claimRunFolder(
  folder: string,
  recipe: object,
  complete: (there: Section) => object = (there) => there,
): Promise<boolean> {
  const path = join(folder, recipeFile);
  const resolved = JSON.parse(JSON.stringify(recipe)) as Section;
  if (existsSync(path)) {
    const differing = differences(completed(await readRecipe(path), complete), resolved);
    if (differing.length === 0) return true;
    if ((await listCheckpoints(folder)).length === 0) {
      await restart(folder, resolved, differing);
      return false;
    }
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
  await writeRecipe(folder, resolved);
  return false;
}

async function writeRecipe(folder: string, resolved: Section): Promise<void> {
  await writeFileAtomic(join(folder, recipeFile), `# Every setting of this run.\n${stringify(resolved)}`);
}

/** A run that never came to a checkpoint is begun anew; what it prepared is kept where it was made in the same way. */
async function restart(folder: string, resolved: Section, differing: readonly string[]): Promise<void> {
  if (differing.some((text) => /^(data|tokenizer)\b/.test(text))) {
    for (const name of preparedNames) await rm(join(folder, name), { recursive: true, force: true });
  }
  await writeRecipe(folder, resolved);
}

/** Takes a folder away again in which nothing came to be but the recipe. */
export async function releaseRunFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length === 1 && names[0] === recipeFile) await rm(folder, { recursive: true });
}
