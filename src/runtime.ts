/** @file The one place that chooses an engine. */
import type { Backend } from "./backend/backend.ts";
import { createOnnxBackend } from "./backend/onnx/onnx-backend.ts";
import { createReferenceBackend } from "./backend/reference/reference-backend.ts";
import { ConfigError, nearestName } from "./base/errors.ts";

export const engineNames = ["onnx", "reference"] as const;
export type EngineName = (typeof engineNames)[number];

export interface EngineOptions {
  /** `onnx` (the default) for all real work; `reference` is the slow interpreter in double precision. */
  readonly engine?: EngineName;
  /** Threads of the engine; all processors when left out. */
  readonly threads?: number;
  /** How the onnx engine reaches ONNX Runtime; `auto` says in `firth doctor` what it chose. */
  readonly binding?: "auto" | "c-api" | "onnxruntime-node";
}

/**
 * Opens an engine; dispose it when done.
 * @throws {ConfigError} for an unknown engine
 * @throws {BackendError} when the engine cannot run here
 */
export async function openEngine(options: EngineOptions = {}): Promise<Backend> {
  const { engine = "onnx", ...rest } = options;
  switch (engine) {
    case "onnx":
      return createOnnxBackend(rest);
    case "reference":
      return createReferenceBackend();
    default: {
      const near = nearestName(engine, engineNames) ?? engineNames.join(" or ");
      const message = `must be one of ${engineNames.join(", ")}; got "${engine}". Use ${near}.`;
      throw new ConfigError("engine", [{ path: "engine", message, code: "CONFIG_UNKNOWN_VALUE" }]);
    }
  }
}

/** Runs work with an engine: the one given, or a new one that is disposed afterwards. */
export async function withEngine<T>(
  given: Backend | EngineOptions | undefined,
  work: (backend: Backend) => Promise<T>,
): Promise<T> {
  if (given !== undefined && "compile" in given) return work(given);
  const backend = await openEngine(given);
  try {
    return await work(backend);
  } finally {
    await backend.dispose();
  }
}
