import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import type { KoffiFunc } from "koffi";
import { BackendError } from "../../../base/errors.ts";

type Koffi = typeof import("koffi").default;
type KoffiType = Parameters<Koffi["array"]>[0];

/** A C pointer; koffi hands out null for NULL. */
export type Pointer = bigint | null;
/** Receives one pointer written by the callee. */
export type PointerOut = [Pointer];
type Status = Pointer;

/** The functions of `struct OrtApi` that Firth calls; a status is null on success. */
export interface OrtFunctions {
  getErrorCode(status: Status): number;
  getErrorMessage(status: Status): string;
  createEnv(logLevel: number, logId: string, env: PointerOut): Status;
  createSessionFromArray(env: Pointer, data: Pointer, length: number, options: Pointer, session: PointerOut): Status;
  createSessionOptions(options: PointerOut): Status;
  setSessionExecutionMode(options: Pointer, mode: number): Status;
  enableProfiling(options: Pointer, prefix: string): Status;
  disableMemPattern(options: Pointer): Status;
  disableCpuMemArena(options: Pointer): Status;
  setSessionGraphOptimizationLevel(options: Pointer, level: number): Status;
  setIntraOpNumThreads(options: Pointer, threads: number): Status;
  setInterOpNumThreads(options: Pointer, threads: number): Status;
  sessionGetInputCount(session: Pointer, count: [number]): Status;
  sessionGetOutputCount(session: Pointer, count: [number]): Status;
  sessionGetInputTypeInfo(session: Pointer, index: number, info: PointerOut): Status;
  sessionGetOutputTypeInfo(session: Pointer, index: number, info: PointerOut): Status;
  sessionGetInputName(session: Pointer, index: number, allocator: Pointer, name: PointerOut): Status;
  sessionGetOutputName(session: Pointer, index: number, allocator: Pointer, name: PointerOut): Status;
  createRunOptions(options: PointerOut): Status;
  runOptionsSetTerminate(options: Pointer): Status;
  runOptionsUnsetTerminate(options: Pointer): Status;
  createTensorWithDataAsOrtValue(
    memoryInfo: Pointer,
    data: Pointer,
    byteLength: number,
    shape: BigInt64Array,
    rank: number,
    elementType: number,
    value: PointerOut,
  ): Status;
  castTypeInfoToTensorInfo(info: Pointer, tensorInfo: PointerOut): Status;
  getTensorElementType(info: Pointer, type: [number]): Status;
  getDimensionsCount(info: Pointer, count: [number]): Status;
  getDimensions(info: Pointer, dimensions: BigInt64Array, rank: number): Status;
  createCpuMemoryInfo(allocatorType: number, memoryType: number, info: PointerOut): Status;
  allocatorFree(allocator: Pointer, memory: Pointer): Status;
  getAllocatorWithDefaultOptions(allocator: PointerOut): Status;
  createAndRegisterAllocator(env: Pointer, memoryInfo: Pointer, arena: Pointer): Status;
  addInitializer(options: Pointer, name: string, value: Pointer): Status;
  createArenaCfg(
    maxBytes: number,
    extendStrategy: number,
    initialChunkBytes: number,
    maxDeadBytes: number,
    arena: PointerOut,
  ): Status;
  releaseArenaCfg(arena: Pointer): void;
  addRunConfigEntry(options: Pointer, key: string, value: string): Status;
  createPrepackedWeightsContainer(container: PointerOut): Status;
  releasePrepackedWeightsContainer(container: Pointer): void;
  createSessionFromArrayWithPrepackedWeightsContainer(
    env: Pointer,
    data: Pointer,
    length: number,
    options: Pointer,
    container: Pointer,
    session: PointerOut,
  ): Status;
  releaseEnv(env: Pointer): void;
  releaseStatus(status: Status): void;
  releaseMemoryInfo(info: Pointer): void;
  releaseSession(session: Pointer): void;
  releaseValue(value: Pointer): void;
  releaseRunOptions(options: Pointer): void;
  releaseTypeInfo(info: Pointer): void;
  releaseSessionOptions(options: Pointer): void;
  getAvailableProviders(names: PointerOut, count: [number]): Status;
  releaseAvailableProviders(names: Pointer, count: number): Status;
  addSessionConfigEntry(options: Pointer, key: string, value: string): Status;
  runWithBinding(session: Pointer, runOptions: Pointer, binding: Pointer): Status;
  createIoBinding(session: Pointer, binding: PointerOut): Status;
  releaseIoBinding(binding: Pointer): void;
  bindInput(binding: Pointer, name: string, value: Pointer): Status;
  bindOutput(binding: Pointer, name: string, value: Pointer): Status;
}

/** The loaded engine: its functions, each also callable off the JavaScript thread. */
export interface OrtLibrary {
  readonly version: string;
  readonly path: string;
  readonly koffiVersion: string;
  readonly functions: { readonly [K in keyof OrtFunctions]: KoffiFunc<OrtFunctions[K]> };
  /** The address of a view's first byte; the caller keeps the view's buffer referenced while the address is in use. */
  addressOf(view: Uint8Array): bigint;
  /** The C strings at an array of `count` pointers. */
  readStrings(pointers: Pointer, count: number): string[];
  readString(pointer: Pointer): string;
}

/** The oldest table that has every function below; newer engines still serve it. */
const API_VERSION = 12;
/** One past the last slot that Firth reads. */
const NUM_SLOTS = 170;
/** koffi's default of 128 KiB for asynchronous calls overflows on graphs of thousands of nodes. */
const STACK_BYTES = 16 * 1024 * 1024;

/** p pointer, P pointer out, s string, S wide string on Windows, i int, I int out, z size_t, Z size_t out, v void, b data */
type TypeCode = "p" | "P" | "s" | "S" | "i" | "I" | "z" | "Z" | "v" | "b";

/**
 * Position in `struct OrtApi`, result and argument types of every function.
 *
 * The struct only ever grows at its end, so positions hold for all later engines.
 * @source onnxruntime_c_api.h
 */
const SIGNATURES: { readonly [K in keyof OrtFunctions]: readonly [slot: number, result: TypeCode, args: string] } = {
  getErrorCode: [1, "i", "p"],
  getErrorMessage: [2, "s", "p"],
  createEnv: [3, "p", "isP"],
  createSessionFromArray: [8, "p", "ppzpP"],
  createSessionOptions: [10, "p", "P"],
  setSessionExecutionMode: [13, "p", "pi"],
  enableProfiling: [14, "p", "pS"],
  disableMemPattern: [17, "p", "p"],
  disableCpuMemArena: [19, "p", "p"],
  setSessionGraphOptimizationLevel: [23, "p", "pi"],
  setIntraOpNumThreads: [24, "p", "pi"],
  setInterOpNumThreads: [25, "p", "pi"],
  sessionGetInputCount: [30, "p", "pZ"],
  sessionGetOutputCount: [31, "p", "pZ"],
  sessionGetInputTypeInfo: [33, "p", "pzP"],
  sessionGetOutputTypeInfo: [34, "p", "pzP"],
  sessionGetInputName: [36, "p", "pzpP"],
  sessionGetOutputName: [37, "p", "pzpP"],
  createRunOptions: [39, "p", "P"],
  runOptionsSetTerminate: [46, "p", "p"],
  runOptionsUnsetTerminate: [47, "p", "p"],
  createTensorWithDataAsOrtValue: [49, "p", "ppzbziP"],
  castTypeInfoToTensorInfo: [55, "p", "pP"],
  getTensorElementType: [60, "p", "pI"],
  getDimensionsCount: [61, "p", "pZ"],
  getDimensions: [62, "p", "pbz"],
  createCpuMemoryInfo: [69, "p", "iiP"],
  allocatorFree: [76, "p", "pp"],
  getAllocatorWithDefaultOptions: [78, "p", "P"],
  releaseEnv: [92, "v", "p"],
  releaseStatus: [93, "v", "p"],
  releaseMemoryInfo: [94, "v", "p"],
  releaseSession: [95, "v", "p"],
  releaseValue: [96, "v", "p"],
  releaseRunOptions: [97, "v", "p"],
  releaseTypeInfo: [98, "v", "p"],
  releaseSessionOptions: [100, "v", "p"],
  getAvailableProviders: [125, "p", "PI"],
  releaseAvailableProviders: [126, "p", "pi"],
  addSessionConfigEntry: [130, "p", "pss"],
  runWithBinding: [133, "p", "ppp"],
  createIoBinding: [134, "p", "pP"],
  releaseIoBinding: [135, "v", "p"],
  bindInput: [136, "p", "psp"],
  bindOutput: [137, "p", "psp"],
  createAndRegisterAllocator: [144, "p", "ppp"],
  addInitializer: [150, "p", "psp"],
  createArenaCfg: [156, "p", "ziiiP"],
  releaseArenaCfg: [157, "v", "p"],
  addRunConfigEntry: [165, "p", "pss"],
  createPrepackedWeightsContainer: [166, "p", "P"],
  releasePrepackedWeightsContainer: [167, "v", "p"],
  createSessionFromArrayWithPrepackedWeightsContainer: [169, "p", "ppzppP"],
};

/**
 * The engine's shared library inside the installed onnxruntime-node.
 * @throws {BackendError} ORT_LIBRARY_MISSING when the package or this platform's file is absent
 */
export function findOrtLibrary(): string {
  const where = `${platform()}/${arch()}`;
  try {
    const root = dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
    for (const napi of readdirSync(join(root, "bin"))) {
      const folder = join(root, "bin", napi, platform(), arch());
      const names = readdirSync(folder).filter((name) => /^(lib)?onnxruntime\.(so\.1|1\.dylib|dll)$/.test(name));
      if (names.length > 0) {
        return join(folder, names[0]!);
      }
    }
  } catch (cause) {
    throw new BackendError(
      `onnxruntime-node has no library for ${where}. Install onnxruntime-node for this platform.`,
      {
        code: "ORT_LIBRARY_MISSING",
        path: "onnxruntime",
        cause,
      },
    );
  }
  throw new BackendError(`onnxruntime-node has no library for ${where}. Use another platform or backend.`, {
    code: "ORT_LIBRARY_MISSING",
    path: "onnxruntime",
  });
}

let loaded: Promise<OrtLibrary> | undefined;

/** Handles of loaded libraries: koffi unloads a library when its handle is collected, calls by pointer or not. */
const kept: unknown[] = [];

/**
 * Loads the engine and the positions of its functions, once in a thread.
 * @throws {BackendError} ORT_LIBRARY_MISSING, ORT_API_VERSION
 */
export function loadOrtLibrary(): Promise<OrtLibrary> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<OrtLibrary> {
  const path = findOrtLibrary();
  const { default: koffi } = await import("koffi");
  const config = koffi.config();
  if (config.sync_stack_size !== STACK_BYTES || config.async_stack_size !== STACK_BYTES) {
    koffi.config({ ...config, sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
  }
  const pointers = (address: Pointer, count: number): Pointer[] =>
    koffi.decode(address, koffi.array("void *", count)) as Pointer[];
  const callable = (address: Pointer, result: TypeCode, args: string): unknown =>
    koffi.decode(
      address,
      koffi.proto(
        typeOf(koffi, result),
        [...args].map((code) => typeOf(koffi, code as TypeCode)),
      ),
    );

  const handle = koffi.load(path);
  kept.push(handle);
  const base = handle.func("OrtGetApiBase", "void *", [])() as Pointer;
  const [getApiPointer, getVersionPointer] = pointers(base, 2);
  const getApi = callable(getApiPointer!, "p", "i") as (version: number) => Pointer;
  const getVersion = callable(getVersionPointer!, "s", "") as () => string;
  const version = getVersion();
  const api = getApi(API_VERSION);
  if (api === null || api === 0n) {
    throw new BackendError(
      `engine ${version} does not serve C API ${API_VERSION}. Install onnxruntime-node 1.12 or later.`,
      {
        code: "ORT_API_VERSION",
        path: "onnxruntime",
      },
    );
  }
  const slots = pointers(api, NUM_SLOTS);
  const functions = Object.fromEntries(
    Object.entries(SIGNATURES).map(([name, [slot, result, args]]) => [name, callable(slots[slot]!, result, args)]),
  ) as unknown as OrtLibrary["functions"];
  const readString = (pointer: Pointer): string => koffi.decode.string(pointer);
  return {
    version,
    path,
    koffiVersion: koffi.version,
    functions,
    addressOf: (view) => koffi.address(view),
    readString,
    readStrings: (array, count) => pointers(array, count).map(readString),
  };
}

function typeOf(koffi: Koffi, code: TypeCode): KoffiType {
  switch (code) {
    case "p":
      return "void *";
    case "P":
      return koffi.out(koffi.pointer("void *"));
    case "s":
      return "str";
    case "S":
      return platform() === "win32" ? "str16" : "str";
    case "i":
      return "int";
    case "I":
      return koffi.out(koffi.pointer("int"));
    case "z":
      return "size_t";
    case "Z":
      return koffi.out(koffi.pointer("size_t"));
    case "v":
      return "void";
    case "b":
      return koffi.pointer("int64_t");
  }
}
