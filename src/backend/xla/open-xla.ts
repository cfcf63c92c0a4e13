import { BackendError } from "../../base/errors.ts";
import type { XlaExecutor } from "./executor.ts";
import { lowerToStableHlo } from "./lower/lower-to-stablehlo.ts";
import { openPjrt } from "./pjrt/open-pjrt.ts";
import { findXlaLibrary } from "./plugin/find-library.ts";
import { type XlaLibrary, type XlaPlatform, xlaPlatforms } from "./plugin/library.ts";
import { openTensorFlow } from "./tensorflow/open-tensorflow.ts";
import { type XlaAttention, XlaBackend } from "./xla-backend.ts";

export interface XlaOptions {
  /** What the devices are; the first platform that has a library when left out, accelerators before the CPU. */
  readonly platform?: XlaPlatform | undefined;
  /** The file of a PJRT plugin, or TensorFlow's libtensorflow_cc.so.2; searched when left out. */
  readonly plugin?: string | undefined;
  /** Threads on the CPU; all processors when left out. Devices of other platforms take no such number. */
  readonly threads?: number | undefined;
  /** Devices of one plugin that share training steps; 1 when left out. */
  readonly devices?: number | undefined;
  /** Whether attention may use the compiler's fused kernels; `fused` by default. */
  readonly attention?: XlaAttention | undefined;
}

const inOrder: readonly XlaPlatform[] = ["cuda", "rocm", "tpu", "cpu"];

/** @throws {BackendError} XLA_DEVICES where TensorFlow's library is to use several */
async function openLibrary(
  { kind, path, platform }: XlaLibrary,
  { threads, devices = 1 }: XlaOptions,
): Promise<XlaExecutor> {
  // A CPU has as many devices as its client is told.
  if (kind === "pjrt") {
    return openPjrt({ plugin: path, threads, ...(devices === 1 ? {} : { platform, devices }) });
  }
  if (devices === 1) return openTensorFlow({ libraryPath: path, threads });
  const message = `TensorFlow's library computes on one device; got engine.devices: ${devices}. Use 1, or a PJRT plugin (engine.plugin).`;
  throw new BackendError(message, { code: "XLA_DEVICES", path: "engine.devices" });
}

/** Errors that say what of the request no library of a platform can do: another platform is not what was asked for. */
const refusals: readonly string[] = ["XLA_THREADS", "XLA_DEVICES", "PJRT_DEVICES"];

/** @throws {BackendError} XLA_PLATFORM when a library is for another platform than was asked for */
async function requirePlatform(executor: XlaExecutor, library: XlaLibrary): Promise<XlaExecutor> {
  const { platform } = executor.facts;
  const isOther = platform !== library.platform && xlaPlatforms.some((known) => known === platform);
  if (!isOther) return executor;
  await executor.dispose();
  const message = `${library.path}, found by ${library.foundBy}, is for ${platform}, not for ${library.platform}. Use the engine xla:${platform}, or another library.`;
  throw new BackendError(message, { code: "XLA_PLATFORM", path: "xla" });
}

/**
 * Opens XLA as an engine.
 * @throws {BackendError} XLA_LIBRARY_MISSING saying what to install; XLA_PLATFORM; XLA_THREADS; what the library's opening says
 */
export async function createXlaBackend(options: XlaOptions = {}): Promise<XlaBackend> {
  const { platform, plugin, threads, attention } = options;
  const problems: string[] = [];
  const tried = new Set<string>();
  for (const wanted of platform === undefined ? inOrder : [platform]) {
    const found = findXlaLibrary(wanted, plugin === undefined ? {} : { plugin });
    if ("problem" in found) {
      // One file that was named and is not there; otherwise no platform is missed more than another.
      if (platform !== undefined || found.searched.length === 1) problems.push(found.problem);
      continue;
    }
    // One that was named serves whatever platform it is for.
    if (tried.has(found.path)) continue;
    tried.add(found.path);
    try {
      const opened = await openLibrary(found, options);
      const executor = platform === undefined ? opened : await requirePlatform(opened, found);
      return new XlaBackend(executor, { lower: lowerToStableHlo, threads, attention });
    } catch (error) {
      // Without a platform in mind, a plugin whose device is not there is passed over.
      if (platform !== undefined || plugin !== undefined || !(error instanceof BackendError)) throw error;
      if (refusals.includes(error.code)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length === 0) {
    const all = `${inOrder.slice(0, -1).join(", ")} or ${inOrder.at(-1)}`;
    problems.push(
      `there is no XLA library for ${all}. Run firth engine install, or set engine.plugin to a PJRT plugin.`,
    );
  }
  throw new BackendError([...new Set(problems)].join(" "), { code: "XLA_LIBRARY_MISSING", path: "xla" });
}
