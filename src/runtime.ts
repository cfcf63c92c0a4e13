/** @file The one place that chooses an engine. */
import type { Backend } from "./backend/backend.ts";
import { createOneDnnBackend, type OneDnnBackend, type OneDnnBackendOptions } from "./backend/onednn/onednn-backend.ts";
import { createOnnxBackend } from "./backend/onnx/onnx-backend.ts";
import { createReferenceBackend } from "./backend/reference/reference-backend.ts";
import { createXlaBackend } from "./backend/xla/open-xla.ts";
import type { XlaPlatform } from "./backend/xla/plugin/library.ts";
import type { XlaAttention } from "./backend/xla/xla-backend.ts";
import { BackendError, ConfigError, nearestName } from "./base/errors.ts";
import type { ComputeDType } from "./ir/dtype.ts";

/** Engines in the order in which people meet them. */
export const engineNames = ["onnx", "onednn", "reference"] as const;
export type EngineName = (typeof engineNames)[number];

/** XLA on the first platform that a library is found for, or on one. */
export const xlaEngineNames = ["xla", "xla:cpu", "xla:cuda", "xla:rocm", "xla:tpu"] as const;
type XlaEngineName = (typeof xlaEngineNames)[number];

/** What may be asked for: an engine, or the fastest one that runs on CPUs here. */
export const engineChoices = ["auto", ...engineNames, ...xlaEngineNames] as const;
export type EngineChoice = (typeof engineChoices)[number];

export interface EngineOptions {
  /**
   * `onnx` (the default) runs everywhere; `onednn` is faster where its library is installed; `auto` takes the faster of
   * the two; `reference` is the slow interpreter in double precision; `xla:cuda`, `xla:tpu`, … compute where their library
   * finds devices, and `xla` on the first of them that there are, at last on the CPU.
   */
  readonly engine?: EngineChoice;
  /** Threads of the engine; all processors when left out. An xla engine on a GPU or TPU has none to choose, and refuses it. */
  readonly threads?: number;
  /** How the onnx engine reaches ONNX Runtime; `auto` says in `firth doctor` what it chose. */
  readonly binding?: "auto" | "c-api" | "onnxruntime-node";
  /** The oneDNN library's file; searched where the system keeps libraries when left out. */
  readonly onednnLibrary?: string;
  /** The file of a PJRT plugin for XLA, or TensorFlow's libtensorflow_cc.so.2; searched when left out. */
  readonly plugin?: string;
  /** Devices of an xla engine that share each training step; 1 when left out. */
  readonly devices?: number;
  /** How an xla engine computes attention: `fused` (the default) where the compiler has kernels for it, or `written-out`. */
  readonly attention?: XlaAttention;
}

/** An engine that is open and belongs to the caller, how one is to be opened, or just its name. */
export type GivenEngine = Backend | EngineOptions | EngineChoice;

type Settings = Omit<EngineOptions, "engine">;

/** How much faster oneDNN must multiply f32 matrices to be chosen on a processor without bf16. */
const LEAST_GAIN = 1.05;

function lacksDtype(backend: Backend, dtype: ComputeDType): ConfigError | undefined {
  if (backend.computeDtypes.includes(dtype)) return undefined;
  const own = backend.computeDtypes.join(", ");
  const advice =
    backend.name === "onednn"
      ? "Use f32 or engine xla."
      : "Use engine onednn (Debian, Ubuntu: apt install libdnnl2), xla, or f32.";
  const message = `must be one that engine ${backend.name} computes in here (${own}); got ${dtype}. ${advice}`;
  return new ConfigError("engine", [{ path: "dtype", message, code: "DTYPE_UNSUPPORTED" }]);
}

function oneDnnOptions({ threads, onednnLibrary: libraryPath }: Settings): OneDnnBackendOptions {
  return { ...(threads === undefined ? {} : { threads }), ...(libraryPath === undefined ? {} : { libraryPath }) };
}

/** oneDNN where it can run, or why it cannot. */
async function tryOneDnn(settings: Settings): Promise<OneDnnBackend | string> {
  try {
    return await createOneDnnBackend({ ...oneDnnOptions(settings), note: "chosen by auto" });
  } catch (error) {
    if (error instanceof BackendError) return error.message;
    throw error;
  }
}

/** The faster engine, which says why it was chosen. */
async function chooseEngine(settings: Settings): Promise<Backend> {
  const oneDnn = await tryOneDnn(settings);
  if (typeof oneDnn === "string") return createOnnxBackend({ ...settings, note: `chosen by auto: ${oneDnn}` });
  // Where the processor multiplies bf16, nothing else comes near; elsewhere the products are timed.
  if (oneDnn.computeDtypes.includes("bf16")) return oneDnn;
  const onnx = await createOnnxBackend({ ...settings, note: "chosen by auto: oneDNN is not faster here" });
  const [ours, theirs] = [(await oneDnn.probe()).gemmGflops, (await onnx.probe()).gemmGflops];
  const [taken, left] = ours > LEAST_GAIN * theirs ? [oneDnn, onnx] : [onnx, oneDnn];
  await left.dispose();
  return taken;
}

/** The platform in an engine's name; undefined for the first one found. */
function xlaPlatformOf(engine: XlaEngineName): XlaPlatform | undefined {
  return engine === "xla" ? undefined : (engine.slice("xla:".length) as XlaPlatform);
}

async function openNamed(engine: EngineChoice, settings: Settings): Promise<Backend> {
  switch (engine) {
    case "auto":
      return chooseEngine(settings);
    case "onnx":
      return createOnnxBackend(settings);
    case "onednn":
      return createOneDnnBackend(oneDnnOptions(settings));
    case "reference":
      return createReferenceBackend();
    case "xla":
    case "xla:cpu":
    case "xla:cuda":
    case "xla:rocm":
    case "xla:tpu":
      return createXlaBackend({ ...settings, platform: xlaPlatformOf(engine) });
    default: {
      const near = nearestName(engine, engineChoices) ?? engineChoices.join(" or ");
      const message = `must be one of ${engineChoices.join(", ")}; got "${engine}". Use ${near}.`;
      throw new ConfigError("engine", [{ path: "engine", message, code: "CONFIG_UNKNOWN_VALUE" }]);
    }
  }
}

/**
 * Opens an engine; dispose it when done.
 * @param given its name, or all options
 * @param dtype what it must be able to compute in
 * @throws {ConfigError} for an unknown engine; DTYPE_UNSUPPORTED
 * @throws {BackendError} when the engine cannot run here, saying what to install
 */
export async function openEngine(
  given: EngineOptions | EngineChoice = {},
  dtype: ComputeDType = "f32",
): Promise<Backend> {
  const { engine = "onnx", ...settings } = typeof given === "string" ? { engine: given } : given;
  const backend = await openNamed(engine, settings);
  const problem = lacksDtype(backend, dtype);
  if (problem === undefined) return backend;
  await backend.dispose();
  throw problem;
}

/** An engine that belongs to somebody else, or one opened here. */
export async function borrowEngine(
  given: GivenEngine | undefined,
  dtype: ComputeDType = "f32",
): Promise<{ readonly backend: Backend; readonly release: () => Promise<void> }> {
  if (typeof given === "object" && "compile" in given) {
    const problem = lacksDtype(given, dtype);
    if (problem !== undefined) throw problem;
    return { backend: given, release: async () => undefined };
  }
  const backend = await openEngine(given, dtype);
  return { backend, release: () => backend.dispose() };
}

/** Runs work with an engine: the one given, or a new one that is disposed afterwards. */
export async function withEngine<T>(
  given: GivenEngine | undefined,
  work: (backend: Backend) => Promise<T>,
  dtype: ComputeDType = "f32",
): Promise<T> {
  const { backend, release } = await borrowEngine(given, dtype);
  try {
    return await work(backend);
  } finally {
    await release();
  }
}
