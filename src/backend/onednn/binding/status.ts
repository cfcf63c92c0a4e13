import { BackendError } from "../../../base/errors.ts";

/** `dnnl_status_t`, in words. */
const STATUS: Readonly<Record<number, string>> = {
  1: "out of memory",
  2: "invalid arguments",
  3: "not implemented",
  4: "no further implementation",
  5: "runtime error",
  6: "not required",
};

/** A call that failed, and where. */
export function dnnError(status: number, what: string, where: string, code: string): BackendError {
  const reason = STATUS[status] ?? `status ${status}`;
  const text = status === 1 ? `${what} ran out of memory. Use a smaller batch or model.` : `${what}: ${reason}.`;
  return new BackendError(text, {
    code: status === 1 ? "OUT_OF_MEMORY" : code,
    path: `onednn: ${where}`,
    details: { status },
  });
}

/** @throws {BackendError} ONEDNN_FAILED or OUT_OF_MEMORY unless the call succeeded */
export function checkStatus(status: number, what: string, where: string): void {
  if (status !== 0) throw dnnError(status, what, where, "ONEDNN_FAILED");
}
