/** @file Opens a PJRT plugin as an executor of StableHLO text. */
import { existsSync, statSync } from "node:fs";
import { BackendError } from "../../../base/errors.ts";
import type { DType, HostData, TensorType } from "../../../ir/dtype.ts";
import type { SelfTestOptions } from "../../self-test.ts";
import type {
  DeviceArray,
  ExecutorFacts,
  Partitioner,
  Sharding,
  XlaExecutable,
  XlaExecutor,
  XlaProgram,
} from "../executor.ts";
import type { XlaPlatform } from "../plugin/library.ts";
import { selfTestXla } from "../self-test.ts";
import { PjrtApi } from "./api.ts";
import { PjrtClient, type PjrtDevice } from "./client.ts";
import { createWithThreads, requireProcessor, requireThreadCount } from "./client-threads.ts";
import { type CompileContext, compileProgram } from "./compile.ts";
import { CompileCache } from "./compile-cache.ts";
import type { CompilerFlag } from "./compile-options.ts";
import { customCallsOf } from "./custom-call.ts";
import { failureOf } from "./error.ts";
import { keyValueCallbacks } from "./key-value-callbacks.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import type { CreateOptions } from "./named-value.ts";
import { Native } from "./native.ts";
import { loadNvidiaLibraries, nvidiaLibraries } from "./nvidia-libraries.ts";
import { partitionerOf } from "./partitioner.ts";
import { PjrtArray } from "./pjrt-array.ts";

/** What an executor is opened with, beside the plugin. */
export interface ExecutorOptions {
  /** Chooses what Firth sets of the client's options; none when left out. */
  readonly platform?: XlaPlatform;
  /** Options of the plugin's client: `memory_fraction`, `preallocate`, `allocator`, `visible_devices`, … They win over Firth's. */
  readonly options?: CreateOptions;
  /** How many of the devices are used; 1 when left out. */
  readonly devices?: number;
  /** Threads of a client for a CPU; as many as there are processors when left out. */
  readonly threads?: number | undefined;
  /** Flags of the compiler, as `XLA_FLAGS` has them without the dashes. */
  readonly flags?: Readonly<Record<string, CompilerFlag>>;
  /** A folder that keeps compiled programs; none when left out. */
  readonly compileCache?: string;
  /** This process among several that train together. */
  readonly host?: { readonly index: number; readonly count: number; readonly store: KeyValueStore };
}

export interface PjrtOptions extends ExecutorOptions {
  /** The plugin's file. */
  readonly plugin: string;
}

const installAdvice = "Run firth engine install, or set engine.plugin to the path of another.";

function refuse(code: string, message: string): never {
  throw new BackendError(`${message} ${installAdvice}`, { code, path: "xla" });
}

/**
 * Opens a plugin's functions; the file stays loaded until the process ends.
 * @throws {BackendError} PJRT_PLATFORM, PJRT_STACK, PJRT_LIBRARY_MISSING, PJRT_LIBRARY_BROKEN, PJRT_NOT_A_PLUGIN, PJRT_VERSION
 */
export async function openPjrtApi(plugin: string): Promise<PjrtApi> {
  if (!existsSync(plugin)) refuse("PJRT_LIBRARY_MISSING", `there is no file "${plugin}".`);
  const native = await Native.open();
  // The compilers' own notes go to standard error; warnings and errors still come.
  native.suggestVariable("TF_CPP_MIN_LOG_LEVEL", "1");
  loadNvidiaLibraries(native, nvidiaLibraries(plugin));
  const loaded = native.loadLibrary(plugin);
  if ("reason" in loaded) refuse("PJRT_LIBRARY_BROKEN", `${plugin} does not load; ${loaded.reason}.`);
  const entry = native.symbol(loaded.handle, "GetPjrtApi");
  if (entry === 0) refuse("PJRT_NOT_A_PLUGIN", `${plugin} is a library, but no PJRT plugin: it has no GetPjrtApi.`);
  const address = native.functionAt(entry)(0);
  if (address === 0) refuse("PJRT_NOT_A_PLUGIN", `${plugin} gives no table of functions.`);
  return new PjrtApi(native, address, plugin);
}

/** What Firth sets of a client's options. */
function standardOptions({ platform, devices = 1, host }: ExecutorOptions): CreateOptions {
  const several: CreateOptions = host === undefined ? {} : { node_id: host.index, num_nodes: host.count };
  switch (platform) {
    case "cpu":
      return { cpu_device_count: devices, ...several };
    case "cuda":
    case "rocm":
      return { platform_name: platform, ...several };
    default:
      return several;
  }
}

/** Fast minima and maxima of a number and NaN are the number: a network that has diverged would look sound. */
const processorFlags: readonly (readonly [string, CompilerFlag])[] = [["xla_cpu_enable_fast_min_max", false]];

/** One use of a plugin's devices. */
class PjrtExecutor implements XlaExecutor {
  readonly facts: ExecutorFacts;
  readonly computeDtypes: readonly DType[] = ["f32", "bf16"];
  readonly client: PjrtClient;
  private readonly devices: readonly PjrtDevice[];
  private readonly context: CompileContext;

  constructor(context: CompileContext, partitioner: Partitioner | undefined) {
    const { client, devices } = context;
    this.client = client;
    this.devices = devices;
    this.context = context;
    const { api, platform, platformVersion } = client;
    const [first] = devices;
    const version = `PJRT ${api.version.major}.${api.version.minor}`;
    const words = platformVersion.split("\n")[0] ?? "";
    const others = client.devices.length === devices.length ? "" : ` of ${client.devices.length}`;
    this.facts = {
      library: "pjrt",
      platform,
      description: `${api.path} (${version}${words === "" ? "" : `, ${words}`}); ${devices.length}${others} × ${first!.kind}`,
      devices: devices.length,
      deviceBytes: client.memory(first!)?.bytesLimit,
      customCalls: customCallsOf(client),
      partitioner,
    };
  }

  async compile(program: XlaProgram): Promise<XlaExecutable> {
    if (program.partitions > this.devices.length) {
      throw new BackendError(
        `a program runs on the devices that the engine uses; ${program.name} needs ${program.partitions}, there are ${this.devices.length}. Use more devices.`,
        { code: "PJRT_DEVICES", path: "xla" },
      );
    }
    return compileProgram(this.context, program);
  }

  upload(data: HostData, type: TensorType, sharding: Sharding = "replicated"): DeviceArray {
    try {
      return PjrtArray.upload(this.client, this.devices, data, type, sharding);
    } catch (error) {
      throw failureOf(error, "XLA_UPLOAD_FAILED", "host data do not get to the devices", "See the plugin's words.");
    }
  }

  dispose(): Promise<void> {
    return this.client.close();
  }
}

function requireDevices({ api, devices }: PjrtClient, wanted: number): void {
  if (wanted >= 1 && wanted <= devices.length) return;
  throw new BackendError(
    `devices must be from 1 to ${devices.length}, which ${api.path} has; got ${wanted}. Use fewer.`,
    { code: "PJRT_DEVICES", path: "xla" },
  );
}

/**
 * Opens the devices of a plugin.
 * @throws {BackendError} PJRT_OPEN_FAILED with the plugin's words; OUT_OF_MEMORY; PJRT_NO_DEVICE; PJRT_DEVICES; XLA_THREADS
 */
export async function openExecutor(api: PjrtApi, options: ExecutorOptions = {}): Promise<XlaExecutor> {
  const { host, devices: wanted = 1, threads } = options;
  requireThreadCount(threads);
  const callbacks = host === undefined ? undefined : keyValueCallbacks(api.native, host.store);
  const given = { ...standardOptions(options), ...options.options };
  let client: PjrtClient;
  try {
    client = await createWithThreads(api.native, threads, () => PjrtClient.create(api, given, callbacks));
  } catch (error) {
    throw failureOf(error, "PJRT_OPEN_FAILED", `the plugin ${api.path} opens no devices`, "See the plugin's words.");
  }
  const devices = client.devices.slice(0, wanted);
  try {
    requireProcessor(client, threads);
    requireDevices(client, wanted);
  } catch (error) {
    await client.close();
    throw error;
  }
  const { toolFolder } = nvidiaLibraries(api.path);
  const flags = { ...(toolFolder === undefined ? {} : { xla_gpu_cuda_data_dir: toolFolder }), ...options.flags };
  const facts = [api.version, client.platform, client.platformVersion, devices[0]!.kind, threads, fileFacts(api.path)];
  const cache = options.compileCache === undefined ? undefined : new CompileCache(options.compileCache, facts);
  const ownFlags = new Map(client.platform === "cpu" ? processorFlags : []);
  const context = { client, devices, flags, ownFlags, cache };
  try {
    return new PjrtExecutor(context, devices.length > 1 ? await partitionerOf(context) : undefined);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** What changes when another file takes a plugin's place. */
function fileFacts(path: string): readonly unknown[] {
  const facts = statSync(path, { throwIfNoEntry: false });
  return [facts?.size, facts?.mtimeMs];
}

/** Opens a plugin and its devices without trying it first. @throws {BackendError} whatever `openPjrtApi` and `openExecutor` do */
export async function openUntested({ plugin, ...options }: PjrtOptions): Promise<XlaExecutor> {
  return openExecutor(await openPjrtApi(plugin), options);
}

/**
 * Opens a plugin and its devices, once a self-test in a process of its own has passed (remembered for the file).
 * @throws {BackendError} PJRT_UNUSABLE when the self-test fails; whatever `openPjrtApi` and `openExecutor` do
 */
export async function openPjrt(options: PjrtOptions, selfTest: SelfTestOptions = {}): Promise<XlaExecutor> {
  const { plugin, platform } = options;
  if (!existsSync(plugin)) refuse("PJRT_LIBRARY_MISSING", `there is no file "${plugin}".`);
  const { passed, detail } = await selfTestXla({ kind: "pjrt", path: plugin, platform }, selfTest);
  if (!passed) refuse("PJRT_UNUSABLE", `${plugin} does not work here: ${detail}`);
  return openUntested(options);
}
