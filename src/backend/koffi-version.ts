import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The installed koffi's version, without loading it. */
export function koffiVersion(): string {
  // Its exports hide package.json, which lies beside the entry file.
  const file = join(dirname(createRequire(import.meta.url).resolve("koffi")), "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
