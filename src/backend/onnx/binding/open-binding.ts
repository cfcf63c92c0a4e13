import { BackendError } from "../../../base/errors.ts";
import type { OrtBinding } from "./binding.ts";
import { type SelfTestOptions, selfTestCApi } from "./self-test.ts";

export interface OpenBindingOptions {
  /** "auto", the default, takes the C API where its self-test passes and onnxruntime-node elsewhere. */
  readonly binding?: "auto" | OrtBinding["kind"];
  readonly selfTest?: SelfTestOptions;
}

/** An open binding, and one sentence on why it is this one. */
export interface OpenedBinding {
  readonly binding: OrtBinding;
  readonly reason: string;
}

/**
 * Opens ONNX Runtime by the best way that works here.
 * @throws {BackendError} C_API_UNUSABLE when the C API was asked for and its self-test fails; WORKER_FAILED when
 *   onnxruntime-node does not load either
 */
export async function openOrtBinding(options: OpenBindingOptions = {}): Promise<OpenedBinding> {
  const wanted = options.binding ?? "auto";
  if (wanted === "onnxruntime-node") {
    return openNode("as asked");
  }
  const verdict = await selfTestCApi(options.selfTest);
  const failure = verdict.passed ? await tryCApi(verdict.cached) : verdict.detail;
  if (typeof failure !== "string") {
    return failure;
  }
  if (wanted === "c-api") {
    throw new BackendError(`the C API does not work here: ${failure}. Use the binding "onnxruntime-node".`, {
      code: "C_API_UNUSABLE",
      path: "onnxruntime.open",
      details: { verdict },
    });
  }
  return openNode(`because the C API does not work here: ${failure}`);
}

/** The C API, or why it did not open after all. */
async function tryCApi(cached: boolean): Promise<OpenedBinding | string> {
  try {
    const { openCApiBinding } = await import("./c-api.ts");
    const binding = await openCApiBinding();
    const test = cached ? "self-test passed earlier" : "self-test passed now";
    return { binding, reason: `ONNX Runtime ${binding.version}, C API through koffi: ${test}` };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function openNode(why: string): Promise<OpenedBinding> {
  const { openNodeBinding } = await import("./node-binding.ts");
  const binding = await openNodeBinding();
  return { binding, reason: `ONNX Runtime ${binding.version}, onnxruntime-node in a worker thread, ${why}` };
}
