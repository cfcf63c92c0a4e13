/** @file The optional oneDNN engine: whether it is there, what the processor can do with it, and how fast. */
import { EngineThread } from "../../backend/onednn/thread.ts";
import { BackendError } from "../../base/errors.ts";
import type { Check } from "./check.ts";

const name = "Engine onednn";
/** A rate of bf16 below this many times that of f32 is not worth its rounding. */
const worthwhile = 1.2;

/** What may be missing without anything being wrong with the installation. */
const absent = ["ONEDNN_LIBRARY_MISSING", "ONEDNN_PLATFORM", "ONEDNN_CPU"];

function failure(error: unknown): Check {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof BackendError) || !absent.includes(error.code))
    return { name, status: "fail", detail: message };
  if (error.code !== "ONEDNN_LIBRARY_MISSING") return { name, status: "ok", detail: `not here (optional): ${message}` };
  const at = message.indexOf("Install oneDNN");
  return { name, status: "warn", detail: "not installed (optional: bf16 on newer processors)", fix: message.slice(at) };
}

/** Opens the library where there is one and times a matrix product in every dtype. */
export async function oneDnnChecks(): Promise<readonly Check[]> {
  let thread: EngineThread;
  try {
    thread = await EngineThread.open();
  } catch (error) {
    return [failure(error)];
  }
  try {
    const { version, path, isa, runtime, bf16, threads } = thread.info;
    const f32Rate = await thread.gemmRate("f32");
    const bf16Rate = bf16 ? await thread.gemmRate("bf16") : undefined;
    const found: Check = {
      name,
      status: "ok",
      detail: `oneDNN ${version} at ${path}; ${isa}, ${runtime}, ${threads} ${threads === 1 ? "thread" : "threads"}`,
    };
    const rates = [
      `${f32Rate.toFixed(0)} GFLOPS in f32`,
      bf16Rate === undefined ? "no bf16 on this processor" : `${bf16Rate.toFixed(0)} in bf16`,
    ].join(", ");
    if (bf16Rate !== undefined && bf16Rate < worthwhile * f32Rate) {
      const fix = "Use f32, or stop other programs and look again.";
      return [found, { name: "Matrix product of onednn", status: "warn", detail: `${rates}: bf16 gains little`, fix }];
    }
    return [found, { name: "Matrix product of onednn", status: "ok", detail: rates }];
  } catch (error) {
    return [failure(error)];
  } finally {
    await thread.dispose();
  }
}
