/** @file Where the oneDNN library may lie. */
import { existsSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { BackendError } from "../../../base/errors.ts";

/** One line for whoever has no library. */
export const installAdvice =
  'Install oneDNN (Debian, Ubuntu: apt install libdnnl2, or libdnnl3 where there is one), or give the path of a libdnnl.so as "libraryPath".';

/** Names by which the system's loader finds it, newest first. */
export const libraryNames: readonly string[] = ["libdnnl.so.3", "libdnnl.so.2"];

const machineFolders: Readonly<Record<string, string>> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
};

/** Folders that the loader's own search may miss. */
export function libraryFolders(): readonly string[] {
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

/**
 * What to try to open, in order: only the path that was set, or files in standard folders and then names for the
 * system's loader.
 * @throws {BackendError} ONEDNN_PLATFORM off Linux; ONEDNN_LIBRARY_MISSING when the path that was set does not exist
 */
export function libraryCandidates(libraryPath?: string): readonly string[] {
  if (platform() !== "linux") {
    throw new BackendError(`the oneDNN engine runs on Linux; this is ${platform()}. Use the engine "onnx".`, {
      code: "ONEDNN_PLATFORM",
      path: "onednn",
    });
  }
  if (libraryPath !== undefined) {
    if (!existsSync(libraryPath)) {
      throw new BackendError(`there is no file "${libraryPath}". ${installAdvice}`, {
        code: "ONEDNN_LIBRARY_MISSING",
        path: "onednn.libraryPath",
      });
    }
    return [libraryPath];
  }
  const files = libraryNames.flatMap((name) => libraryFolders().map((folder) => join(folder, name)));
  return [...files.filter((file) => existsSync(file)), ...libraryNames];
}
