import { basename } from "node:path";
import { env } from "node:process";
import type { Backend } from "../../src/backend/backend.ts";
import { createOneDnnBackend } from "../../src/backend/onednn/onednn-backend.ts";
import { createOnnxBackend } from "../../src/backend/onnx/onnx-backend.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-backend.ts";
import { createXlaBackend } from "../../src/backend/xla/open-xla.ts";
import { BackendError } from "../../src/base/errors.ts";

/** Errors that mean "not on this machine"; all others are failures. */
export const absentCodes: readonly string[] = [
  "C_API_UNUSABLE",
  "ORT_LIBRARY_MISSING",
  "ONEDNN_LIBRARY_MISSING",
  "ONEDNN_PLATFORM",
  "ONEDNN_CPU",
  "XLA_LIBRARY_MISSING",
];

/** Why oneDNN cannot run here; undefined where it can. */
async function oneDnnMissing(): Promise<string | undefined> {
  try {
    await (await createOneDnnBackend({ threads: 1 })).dispose();
    return undefined;
  } catch (error) {
    if (error instanceof BackendError && absentCodes.includes(error.code)) return error.message;
    throw error;
  }
}

/** An engine that whole-model tests run on, with the relative tolerance its arithmetic deserves. */
export interface TestedEngine {
  readonly name: string;
  readonly tolerance: number;
  readonly open: () => Promise<Backend>;
  /** Why it cannot run here. */
  readonly missing: string | undefined;
  /** The name, and the reason where its tests are skipped. */
  readonly title: string;
}

function tested(name: string, tolerance: number, open: TestedEngine["open"], missing?: string): TestedEngine {
  const title = missing === undefined ? name : `${name} (cannot run here: ${missing})`;
  return { name, tolerance, open, missing, title };
}

export const oneDnn = tested("onednn", 1e-4, () => createOneDnnBackend({ threads: 2 }), await oneDnnMissing());

/** The file that `FIRTH_TEST_XLA` names: a PJRT plugin, or TensorFlow's libtensorflow_cc.so.2. */
const xlaLibrary = env.FIRTH_TEST_XLA;

/** Threads are a processor's: devices of other platforms take no number of them. */
const xlaThreads = /cuda|rocm|tpu/.test(basename(xlaLibrary ?? "")) ? {} : { threads: 2 };

export const openXla = () => createXlaBackend({ plugin: xlaLibrary, ...xlaThreads });

/** XLA, where a library is named. */
export const xla = tested(
  "xla",
  1e-4,
  openXla,
  xlaLibrary === undefined || xlaLibrary === "" ? "FIRTH_TEST_XLA names no library" : undefined,
);

export const engines: readonly TestedEngine[] = [
  tested("reference", 1e-6, async () => createReferenceBackend()),
  tested("onnx", 1e-4, () => createOnnxBackend({ threads: 2 })),
  oneDnn,
  xla,
];
