import { BackendError } from "../../../base/errors.ts";
import type { OrtLibrary, Pointer } from "./c-api-table.ts";

/** `OrtErrorCode` by number. */
const STATUS_NAMES = [
  "OK",
  "FAIL",
  "INVALID_ARGUMENT",
  "NO_SUCHFILE",
  "NO_MODEL",
  "ENGINE_ERROR",
  "RUNTIME_EXCEPTION",
  "INVALID_PROTOBUF",
  "MODEL_LOADED",
  "NOT_IMPLEMENTED",
  "INVALID_GRAPH",
  "EP_FAIL",
  "MODEL_LOAD_CANCELED",
];

/**
 * Turns a failed status into an error that carries the engine's own message, and releases the status.
 * @throws {BackendError} `code`, when the status is not null
 */
export function checkStatus(library: OrtLibrary, status: Pointer, path: string, code = "ORT_CALL_FAILED"): void {
  if (status === null || status === 0n) {
    return;
  }
  const { functions } = library;
  const ortCode = STATUS_NAMES[functions.getErrorCode(status)] ?? "UNKNOWN";
  const ortMessage = functions.getErrorMessage(status);
  functions.releaseStatus(status);
  throw engineError(path, code, ortMessage, ortCode);
}

/** The error for a refusal by the engine, the same through both bindings. */
export function engineError(path: string, code: string, ortMessage: string, ortCode?: string): BackendError {
  const label = ortCode === undefined ? "" : ` (${ortCode})`;
  return new BackendError(`ONNX Runtime refused${label}: ${ortMessage}`, {
    code,
    path,
    details: { ortMessage, ...(ortCode === undefined ? {} : { ortCode }) },
  });
}
