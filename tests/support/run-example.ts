/** @file Runs a program of `examples/` in a folder, made small. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect } from "vitest";

export const projectFolder = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Runs an example over the sources.
 * @param folder where it runs, and finds its files
 * @param shrunk what is replaced by what: each must be there
 * @returns what it wrote to the standard output
 */
export async function runExample(
  name: string,
  folder: string,
  shrunk: readonly (readonly [string, string])[],
): Promise<string> {
  let program = await readFile(join(projectFolder, "examples", name), "utf8");
  const sources = ['from "firth"', `from "${pathToFileURL(join(projectFolder, "src/index.ts"))}"`] as const;
  for (const [from, to] of [sources, ...shrunk]) {
    expect(program, from).toContain(from);
    program = program.replaceAll(from, to);
  }
  const file = name.replace(/\.ts$/, ".mts");
  await writeFile(join(folder, file), program);
  const tsx = join(projectFolder, "node_modules/tsx/dist/cli.mjs");
  const { stdout } = await promisify(execFile)(process.execPath, [tsx, file], { cwd: folder });
  return stdout;
}
