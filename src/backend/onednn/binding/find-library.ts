/** @file Where the oneDNN library may lie. */
import { existsSync, readFileSync } from "node:fs";
import { arch, platform } from "node:os";
import { join, resolve } from "node:path";
import { BackendError } from "../../../base/errors.ts";

/** One line for whoever has no library. */
export const installAdvice =
  "Install oneDNN (Debian, Ubuntu: apt install libdnnl2, or libdnnl3 where there is one), or set onednnLibrary to the path of a libdnnl.so.";

/** File names of the majors that Firth knows, newest first. */
const libraryNames: readonly string[] = ["libdnnl.so.3", "libdnnl.so.2"];

/** What the system's loader knows beyond its standard folders. */
const loaderCache = "/etc/ld.so.cache";

const machineFolders: Readonly<Record<string, string>> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
};

function libraryFolders(): readonly string[] {
  const machine = machineFolders[arch()];
  return [
    ...(machine === undefined ? [] : [`/usr/lib/${machine}`, `/usr/local/lib/${machine}`]),
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib64",
    "/usr/lib",
    "/opt/intel/oneapi/dnnl/latest/lib",
  ];
}

/** Files of that name in the loader's cache, which holds whole paths between zero bytes. */
function cachedFiles(name: string): string[] {
  try {
    const paths = readFileSync(loaderCache, "latin1").split("\0");
    return paths.filter((path) => path.startsWith("/") && path.endsWith(`/${name}`));
  } catch {
    return [];
  }
}

/**
 * Files to try to open, in order: only the path that was set, or what lies in standard folders and what the system's
 * loader knows.
 * @throws {BackendError} ONEDNN_PLATFORM off Linux; ONEDNN_LIBRARY_MISSING when there is no such file
 */
export function libraryCandidates(libraryPath?: string): readonly string[] {
  if (platform() !== "linux") {
    throw new BackendError(`the oneDNN engine runs on Linux; this is ${platform()}. Use the engine "onnx".`, {
      code: "ONEDNN_PLATFORM",
      path: "onednn",
    });
  }
  const folders = libraryFolders();
  const known = libraryNames.flatMap((name) => [...folders.map((folder) => join(folder, name)), ...cachedFiles(name)]);
  const files = (libraryPath === undefined ? known : [resolve(libraryPath)]).filter((file) => existsSync(file));
  if (files.length > 0) return [...new Set(files)];
  const message = libraryPath === undefined ? "there is no oneDNN library" : `there is no file "${libraryPath}"`;
  throw new BackendError(`${message}. ${installAdvice}`, {
    code: "ONEDNN_LIBRARY_MISSING",
    path: libraryPath === undefined ? "onednn" : "onednnLibrary",
    details: { tried: libraryPath === undefined ? known : [libraryPath] },
  });
}
