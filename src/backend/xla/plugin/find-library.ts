/** @file Where a library that runs StableHLO text may lie: what was set, what was installed, what Python has. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { env } from "node:process";
import type { XlaLibrary, XlaLibraryProblem, XlaLibrarySettings, XlaPlatform } from "./library.ts";

/** The variable that names a plugin's file. */
export const pluginVariable = "FIRTH_PJRT_PLUGIN";

/** TensorFlow's library is told from a plugin by its name. */
function kindOf(path: string): XlaLibrary["kind"] {
  return /libtensorflow_cc\.so/.test(path) ? "tensorflow" : "pjrt";
}

function named(path: string, platform: XlaPlatform, foundBy: string): XlaLibrary | XlaLibraryProblem {
  const file = resolve(path);
  if (existsSync(file)) return { kind: kindOf(file), platform, path: file, foundBy };
  return { problem: `there is no file "${file}", which ${foundBy} names. Correct the path.`, searched: [file] };
}

/**
 * Finds the library of a platform: the one that was set, that the environment names, that `firth engine install` brought, or
 * that a Python at hand has.
 */
export function findXlaLibrary(
  platform: XlaPlatform,
  settings: XlaLibrarySettings = {},
): XlaLibrary | XlaLibraryProblem {
  if (settings.plugin !== undefined) return named(settings.plugin, platform, "the setting engine.plugin");
  const variable = (settings.environment ?? env)[pluginVariable];
  if (variable !== undefined && variable !== "") return named(variable, platform, pluginVariable);
  return { problem: `there is no plugin for ${platform}. Run firth engine install ${platform}.`, searched: [] };
}
