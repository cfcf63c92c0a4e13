/** @file The optional XLA engine: which library there is, on which devices, and how fast. */
import { BackendError } from "../../base/errors.ts";
import { openEngine } from "../../runtime.ts";
import type { Check } from "./check.ts";

const name = "Engine xla";

function failure(error: unknown): Check {
  const message = error instanceof Error ? error.message : String(error);
  const isAbsent = error instanceof BackendError && error.code === "XLA_LIBRARY_MISSING";
  if (!isAbsent) return { name, status: "fail", detail: message, fix: "Use another library, or the engine onnx." };
  // Not having it is no fault.
  return { name, status: "ok", detail: "not installed (optional: GPUs, TPUs). firth engine install brings it" };
}

/** Opens the first library there is and times a matrix product in every dtype. */
export async function xlaChecks(): Promise<readonly Check[]> {
  let backend: Awaited<ReturnType<typeof openEngine>>;
  try {
    backend = await openEngine({ engine: "xla" });
  } catch (error) {
    return [failure(error)];
  }
  try {
    const { description, gemmGflops } = await backend.probe("f32");
    const bf16 = backend.computeDtypes.includes("bf16") ? (await backend.probe("bf16")).gemmGflops : undefined;
    const rates = [
      `${gemmGflops.toFixed(0)} GFLOPS in f32`,
      ...(bf16 === undefined ? [] : [`${bf16.toFixed(0)} in bf16`]),
    ];
    return [
      { name, status: "ok", detail: `${backend.name}: ${description}` },
      { name: `Matrix product of ${backend.name}`, status: "ok", detail: rates.join(", ") },
    ];
  } catch (error) {
    return [failure(error)];
  } finally {
    await backend.dispose();
  }
}
