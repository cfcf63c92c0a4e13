/** @file Plugins that `firth engine install` brought: one a platform, in a folder with a note of where it came from. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { XlaPlatform } from "./library.ts";

/** The note's name. */
export const noteName = "plugin.json";

/** What the note says. */
export interface InstalledPlugin {
  readonly platform: XlaPlatform;
  /** Name of the plugin's file, beside the note. */
  readonly file: string;
  /** An address or a path. */
  readonly source: string;
  /** Of what was fetched. */
  readonly sha256: string;
  /** The release's name; absent for files of unknown origin. */
  readonly release?: string | undefined;
  /** ISO 8601. */
  readonly installedAt: string;
}

/** Where plugins of this user are installed unless a folder is named (`FIRTH_ENGINE_FOLDER`, `XDG_DATA_HOME`). */
export function defaultEngineFolder(variables: Readonly<Record<string, string | undefined>>): string {
  const { FIRTH_ENGINE_FOLDER: own, XDG_DATA_HOME: data } = variables;
  if (own !== undefined && own !== "") return own;
  return join(data === undefined || data === "" ? join(homedir(), ".local", "share") : data, "firth", "engines");
}

/** The plugin that was installed for a platform, and its path; undefined when there is none. */
export function installedPlugin(
  engineFolder: string,
  platform: XlaPlatform,
): (InstalledPlugin & { readonly path: string }) | undefined {
  try {
    const folder = join(engineFolder, platform);
    const note = JSON.parse(readFileSync(join(folder, noteName), "utf8")) as Partial<InstalledPlugin>;
    if (typeof note.file !== "string" || note.file !== basename(note.file) || typeof note.sha256 !== "string") {
      return undefined;
    }
    const { file, sha256, release } = note;
    const { source = "unknown", installedAt = "" } = note;
    return { platform, file, sha256, source, installedAt, release, path: join(folder, file) };
  } catch {
    return undefined;
  }
}
