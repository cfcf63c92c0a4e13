import { statSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { BackendError } from "../../../base/errors.ts";
import { siblingModule } from "../../../base/sibling-module.ts";
import { runSelfTest, type SelfTestOptions } from "../../self-test.ts";
import type { XlaExecutor } from "../executor.ts";
import { openUntested, type TensorFlowOptions } from "./executor.ts";

/** Changes when the self-test checks more, so that older verdicts are not trusted. */
const TEST_REVISION = 2;
/** The library is 800 MB: reading it for the first time may take long. */
const TIMEOUT_MS = 120_000;

function describeFile(file: string): readonly unknown[] {
  try {
    const { size, mtimeMs } = statSync(file);
    return [file, size, mtimeMs];
  } catch {
    // Opening it says what is missing.
    return [file];
  }
}

/**
 * Opens TensorFlow's library as an executor, once a self-test in a process of its own has passed.
 * @throws {BackendError} XLA_PLATFORM, XLA_LIBRARY_MISSING, XLA_LIBRARY_BROKEN; XLA_UNUSABLE when the self-test fails; XLA_THREADS
 */
export async function openTensorFlow(options: TensorFlowOptions, selfTest: SelfTestOptions = {}): Promise<XlaExecutor> {
  const file = resolve(options.libraryPath);
  const beside = join(dirname(file), "libtensorflow_framework.so.2");
  const verdict = await runSelfTest(
    {
      program: siblingModule("self-test-child", import.meta.url),
      arguments: [file],
      facts: [TEST_REVISION, cpus()[0]?.model, describeFile(file), describeFile(beside)],
    },
    { timeoutMs: TIMEOUT_MS, ...selfTest },
  );
  if (verdict.passed) return openUntested(options);
  const message = `${file} does not work here: ${verdict.detail}. Use another library, or the engine onnx.`;
  throw new BackendError(message, { code: "XLA_UNUSABLE", path: "xla" });
}
