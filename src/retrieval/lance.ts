/** @file The libraries of the vector store, loaded when an index is first opened: their binary is large. */
import { createRequire } from "node:module";
import { BackendError } from "../base/errors.ts";

export type Libraries = {
  readonly lance: typeof import("@lancedb/lancedb");
  readonly arrow: typeof import("apache-arrow");
};

let libraries: Promise<Libraries> | undefined;

/** The libraries, loaded once. @throws {BackendError} VECTOR_STORE_MISSING */
export async function loadLance(): Promise<Libraries> {
  // LanceDB knows tables by their classes: they must be those of the copy that it loads itself, which is CommonJS.
  libraries ??= import("@lancedb/lancedb").then((lance) => ({
    lance,
    arrow: createRequire(import.meta.url)("apache-arrow") as Libraries["arrow"],
  }));
  try {
    return await libraries;
  } catch (cause) {
    libraries = undefined;
    throw new BackendError(
      `the packages @lancedb/lancedb and apache-arrow cannot be loaded: ${(cause as Error).message.split("\n")[0]} Install them (npm install @lancedb/lancedb apache-arrow); there are binaries for Linux, macOS on ARM and Windows.`,
      { code: "VECTOR_STORE_MISSING", path: "index", cause },
    );
  }
}
