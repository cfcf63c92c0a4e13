/** @file Where a library that runs StableHLO text may lie: what was set, what was installed, what a Python has. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { env } from "node:process";
import { defaultEngineFolder, installedPlugin } from "./engine-folder.ts";
import type { XlaLibrary, XlaLibraryProblem, XlaLibrarySettings, XlaPlatform } from "./library.ts";
import { namesIn, pythonPackageFolders } from "./python-folder.ts";

/** The variable that names a plugin's file. */
export const pluginVariable = "FIRTH_PJRT_PLUGIN";

/** Python packages with a library, below site-packages; `*` stands for a version, the highest first. */
const pythonLibraries: Readonly<Record<XlaPlatform, readonly string[]>> = {
  cpu: [
    "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so",
    "fastatomstruct_xla_cpu/libpjrt_cpu.so",
    "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so",
    "tensorflow/libtensorflow_cc.so.2",
  ],
  cuda: ["jax_plugins/xla_cuda*/xla_cuda_plugin.so"],
  rocm: ["jax_plugins/xla_rocm*/xla_rocm_plugin.so"],
  tpu: ["libtpu/libtpu.so"],
};

/** Packages that bring a platform's library, for those who have none. */
const pythonPackages: Readonly<Record<XlaPlatform, string>> = {
  cpu: "lammps-jax-pjrt-cpu",
  cuda: "jax-cuda13-pjrt with its NVIDIA libraries (pip install 'jax[cuda13]')",
  rocm: "jax-rocm7-pjrt",
  tpu: "libtpu",
};

/** TensorFlow's library is told from a plugin by its name. */
export function libraryKind(path: string): XlaLibrary["kind"] {
  return /libtensorflow_cc\.so/.test(path) ? "tensorflow" : "pjrt";
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** Paths that a pattern stands for. */
function expanded(folder: string, pattern: string): string[] {
  const star = pattern.indexOf("*");
  if (star < 0) return [join(folder, pattern)];
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
  const cut = before.lastIndexOf("/");
  const [parent, prefix] = [before.slice(0, cut), before.slice(cut + 1)];
  return namesIn(join(folder, parent))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .sort((a, b) => Number(b.slice(prefix.length)) - Number(a.slice(prefix.length)))
    .map((name) => join(folder, parent, name + after));
}

function named(path: string, platform: XlaPlatform, foundBy: string): XlaLibrary | XlaLibraryProblem {
  const file = resolve(path);
  if (isFile(file)) return { kind: libraryKind(file), platform, path: file, foundBy };
  const what = existsSync(file)
    ? `"${file}", which ${foundBy} names, is no file`
    : `there is no file "${file}", which ${foundBy} names`;
  return { problem: `${what}. Correct the path.`, searched: [file] };
}

/** Every library of a platform at hand, in the order in which they are taken; what was set or named hides all others. */
export function findXlaLibraries(
  platform: XlaPlatform,
  settings: XlaLibrarySettings = {},
): { readonly found: readonly XlaLibrary[]; readonly searched: readonly string[]; readonly problem?: string } {
  const variables = settings.environment ?? env;
  const variable = variables[pluginVariable];
  const isSet = settings.plugin !== undefined;
  const path = settings.plugin ?? (variable === "" ? undefined : variable);
  if (path !== undefined) {
    const result = named(path, platform, isSet ? "the setting engine.plugin" : pluginVariable);
    return "problem" in result
      ? { found: [], searched: result.searched, problem: result.problem }
      : { found: [result], searched: [result.path] };
  }
  const searched: string[] = [];
  const found: XlaLibrary[] = [];
  const look = (file: string, foundBy: string): void => {
    searched.push(file);
    if (isFile(file)) found.push({ kind: libraryKind(file), platform, path: file, foundBy });
  };
  const engineFolder = settings.engineFolder ?? defaultEngineFolder(variables);
  const installed = installedPlugin(engineFolder, platform);
  look(installed?.path ?? join(engineFolder, platform), "firth engine install");
  const folders = pythonPackageFolders(variables);
  // A better package in any Python goes before a lesser one in the first.
  for (const pattern of pythonLibraries[platform]) {
    for (const folder of folders) {
      const files = expanded(folder, pattern);
      if (files.length === 0) searched.push(join(folder, pattern));
      for (const file of files) look(file, `the Python packages in ${folder}`);
    }
  }
  return { found, searched };
}

/**
 * Finds the library of a platform: the one that was set, that the environment names (`FIRTH_PJRT_PLUGIN`), that `firth engine
 * install` brought, or that a Python at hand has.
 */
export function findXlaLibrary(
  platform: XlaPlatform,
  settings: XlaLibrarySettings = {},
): XlaLibrary | XlaLibraryProblem {
  const { found, searched, problem } = findXlaLibraries(platform, settings);
  if (found[0] !== undefined) return found[0];
  if (problem !== undefined) return { problem, searched };
  const places = `${searched.length} places were looked at`;
  const advice = `Run firth engine install ${platform}, install the Python package ${pythonPackages[platform]}, or set ${pluginVariable}.`;
  return { problem: `there is no XLA library for ${platform}; ${places}. ${advice}`, searched };
}
