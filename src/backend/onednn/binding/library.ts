/** @file Opens the oneDNN library in this thread, once, and never closes it. */
import { dirname } from "node:path";
import { BackendError, type ErrorFacts } from "../../../base/errors.ts";
import { ISA, ISA_NAMES, type Major } from "./constant.ts";
import { installAdvice, libraryCandidates } from "./find-library.ts";
import {
  type Address,
  type CommonFunctions,
  commonSignatures,
  type Functions2,
  type Functions3,
  type NativeFunction,
  type Signature,
  signatures2,
  signatures3,
} from "./function-table.ts";

type Koffi = typeof import("koffi").default;

/** Native memory, seen from this thread. */
export interface System {
  addressOf(buffer: ArrayBufferLike): Address;
  readString(address: Address): string;
  adviseHugePages(address: Address, bytes: number): void;
}

/** What a library says about itself. */
export interface LibraryFacts {
  readonly path: string;
  /** For people, like 2.6.3. */
  readonly version: string;
  readonly major: Major;
  /** Who makes its threads. */
  readonly runtime: "sequential" | "OpenMP" | "TBB";
  /** The newest instruction set it uses here. */
  readonly isa: string;
  /** Whether this processor multiplies bf16 natively. */
  readonly bf16: boolean;
}

/** An open library. */
export interface DnnLibrary extends System {
  readonly facts: LibraryFacts;
  readonly common: CommonFunctions;
  /** The functions of its major. */
  readonly byMajor: { readonly major: 2; readonly fn: Functions2 } | { readonly major: 3; readonly fn: Functions3 };
  /** Sets the OpenMP threads of the calling thread; false where the library makes its threads otherwise. */
  setThreads(threads: number): boolean;
}

/** Replies of the library that tests replace. */
export interface LibraryOverrides {
  /** `dnnl_get_effective_cpu_isa`. */
  readonly isa?: number;
}

const RTLD_NOW = 0x2;
/** Unloading would leave the OpenMP threads without code: the process would crash when it ends. */
const RTLD_NODELETE = 0x1000;
const MADV_HUGEPAGE = 14;
/** Compiling a kernel needs more than koffi's default stack. */
const STACK_BYTES = 16 * 1024 * 1024;
const RUNTIMES: Readonly<Record<number, LibraryFacts["runtime"]>> = { 1: "sequential", 2: "OpenMP", 4: "TBB" };

function refuse(code: string, message: string, facts: Partial<ErrorFacts> = {}): never {
  throw new BackendError(message, { code, path: "onednn", ...facts });
}

/** @throws {BackendError} ONEDNN_VERSION for majors whose C API Firth does not know */
export function checkMajor(major: number, version: string, path: string): Major {
  if (major === 2 || major === 3) return major;
  return refuse("ONEDNN_VERSION", `${path} is oneDNN ${version}; Firth knows 2.x and 3.x. ${installAdvice}`);
}

/** @throws {BackendError} ONEDNN_CPU when the processor is older than the engine supports */
export function describeIsa(bits: number, major: Major): { readonly name: string; readonly bf16: boolean } {
  const has = (wanted: number): boolean => (bits & wanted) === wanted;
  const name = ISA_NAMES[major].find(([wanted]) => has(wanted))?.[1] ?? "less than SSE4.1";
  if (!has(ISA.avx2)) {
    refuse(
      "ONEDNN_CPU",
      `this processor, or what DNNL_MAX_CPU_ISA leaves of it, has ${name}; the engine needs AVX2. Use the engine "onnx".`,
    );
  }
  return { name, bf16: has(ISA.avx512Bf16) };
}

function typeName(code: string): string {
  switch (code) {
    case "i":
      return "int";
    case "u":
      return "unsigned int";
    case "f":
      return "float";
    case "l":
      return "int64_t";
    default:
      return "size_t";
  }
}

/** The C library's loader, seen from this thread. */
class Loader {
  readonly koffi: Koffi;
  private readonly dlopen: (path: string, flags: number) => number;
  private readonly dlsym: (handle: number, name: string) => number;
  private readonly dlerror: () => string | null;
  readonly madvise: NativeFunction;

  constructor(koffi: Koffi) {
    this.koffi = koffi;
    // The process itself: it has the C library's functions under every name that library goes by.
    const self = koffi.load(null);
    this.dlopen = self.func("dlopen", "size_t", ["str", "int"]);
    this.dlsym = self.func("dlsym", "size_t", ["size_t", "str"]);
    this.dlerror = self.func("dlerror", "str", []);
    this.madvise = self.func("madvise", "int", ["size_t", "size_t", "int"]);
  }

  /** A handle, or why there is none. */
  open(path: string): number | string {
    const handle = this.dlopen(path, RTLD_NOW | RTLD_NODELETE);
    return handle === 0 ? (this.dlerror() ?? "unknown reason") : handle;
  }

  symbol(handle: number, name: string): Address {
    return this.dlsym(handle, name);
  }

  function(address: Address, [result, args]: Signature): NativeFunction {
    const proto = this.koffi.proto(
      typeName(result),
      [...args].map((code) => typeName(code)),
    );
    return this.koffi.decode(BigInt(address), proto) as NativeFunction;
  }

  table<T extends Readonly<Record<string, Signature>>>(
    handle: number,
    signatures: T,
    path: string,
  ): { readonly [K in keyof T]: NativeFunction } {
    const functions = Object.entries(signatures).map(([name, signature]) => {
      const address = this.symbol(handle, name);
      if (address === 0) refuse("ONEDNN_LIBRARY_BROKEN", `${path} has no function ${name}. ${installAdvice}`);
      return [name, this.function(address, signature)] as const;
    });
    return Object.fromEntries(functions) as { readonly [K in keyof T]: NativeFunction };
  }
}

let loader: Promise<Loader> | undefined;

async function openLoader(): Promise<Loader> {
  const { default: koffi } = await import("koffi");
  const config = koffi.config();
  if (config.sync_stack_size !== STACK_BYTES) {
    try {
      koffi.config({ ...config, sync_stack_size: STACK_BYTES });
    } catch {
      // Set already by whoever called first in this thread.
    }
  }
  return new Loader(koffi);
}

/**
 * How often a thread of GNU OpenMP looks for work before it sleeps. Its own 300 000 times take milliseconds: where
 * another program wants the processor, threads then burn the time that the one they wait for should have had.
 */
const SPIN_COUNT = "1000";

/** Tells GNU OpenMP, which reads its settings when it is loaded, to wait briefly; what people have set stays. */
function waitBriefly({ koffi }: Loader): void {
  const libc = koffi.load(null);
  const getenv = libc.func("getenv", "str", ["str"]);
  const setenv = libc.func("setenv", "int", ["str", "str", "int"]);
  const isSet = (name: string): boolean => getenv(name) !== null;
  if (!isSet("OMP_WAIT_POLICY") && !isSet("GOMP_SPINCOUNT")) setenv("GOMP_SPINCOUNT", SPIN_COUNT, 0);
}

/** A loaded file, or for every candidate why it is not. */
function openFirst(from: Loader, candidates: readonly string[]): { readonly path: string; readonly handle: number } {
  const reasons: string[] = [];
  for (const path of candidates) {
    const handle = from.open(path);
    if (typeof handle === "number") return { path, handle };
    reasons.push(handle);
  }
  const [first, ...others] = candidates;
  const more = others.length === 0 ? "" : `, nor do ${others.join(", ")}`;
  return refuse("ONEDNN_LIBRARY_BROKEN", `${first} does not load${more}: ${reasons.join("; ")}. ${installAdvice}`);
}

/**
 * Opens the library in this thread; the file stays loaded until the process ends.
 *
 * Nothing is known of the library yet: a file of another layout may crash the process, so a self-test in a process of
 * its own comes first.
 * @param libraryPath the file to open; searched when left out
 * @throws {BackendError} ONEDNN_PLATFORM, ONEDNN_LIBRARY_MISSING, ONEDNN_LIBRARY_BROKEN, ONEDNN_VERSION, ONEDNN_CPU
 */
export async function openLibrary(libraryPath?: string, overrides: LibraryOverrides = {}): Promise<DnnLibrary> {
  const candidates = libraryCandidates(libraryPath);
  loader ??= openLoader();
  const from = await loader;
  const { koffi } = from;
  waitBriefly(from);
  const { path: name, handle } = openFirst(from, candidates);
  const versionAddress = from.symbol(handle, "dnnl_version");
  if (versionAddress === 0) {
    refuse("ONEDNN_LIBRARY_BROKEN", `${name} is a library, but not oneDNN: it has no dnnl_version. ${installAdvice}`);
  }
  // dnnl_version_t: three ints, a string, two bit masks.
  const versionStruct = from.function(versionAddress, ["a", ""])();
  const numbers = koffi.decode(BigInt(versionStruct), koffi.array("int", 8)) as Int32Array;
  const version = [...numbers.slice(0, 3)].join(".");
  const path = resolvedPath(from, versionAddress) ?? name;
  const major = checkMajor(numbers[0]!, version, path);
  const runtime = RUNTIMES[numbers[6]!];
  if (runtime === undefined) {
    refuse(
      "ONEDNN_RUNTIME",
      `${path} is built for SYCL or a thread pool of its caller (runtime ${numbers[6]}); Firth drives OpenMP, TBB and sequential builds. ${installAdvice}`,
    );
  }
  const common = from.table(handle, commonSignatures, path);
  const isa = describeIsa(overrides.isa ?? common.dnnl_get_effective_cpu_isa(), major);
  const setThreads = from.symbol(handle, "omp_set_num_threads");
  const setOpenMPThreads = setThreads === 0 ? undefined : from.function(setThreads, ["i", "i"]);
  return {
    facts: { path, version, major, runtime, isa: isa.name, bf16: isa.bf16 },
    common,
    byMajor:
      major === 2
        ? { major, fn: from.table(handle, signatures2, path) }
        : { major, fn: from.table(handle, signatures3, path) },
    setThreads(threads) {
      if (runtime !== "OpenMP" || setOpenMPThreads === undefined) return false;
      setOpenMPThreads(threads);
      return true;
    },
    addressOf: (buffer) => Number(koffi.address(new Uint8Array(buffer))),
    readString: (address) => koffi.decode.string(BigInt(address)),
    adviseHugePages: (address, bytes) => {
      from.madvise(address, bytes, MADV_HUGEPAGE);
    },
  };
}

/** The file in which an address lies, so that people see which of several libraries was taken. */
function resolvedPath(from: Loader, address: Address): string | undefined {
  const { koffi } = from;
  const dladdr = koffi.load(null).func("dladdr", "int", ["size_t", "size_t"]) as NativeFunction;
  const info = new ArrayBuffer(32);
  if (dladdr(address, Number(koffi.address(new Uint8Array(info)))) === 0) return undefined;
  const pointer = Number(new BigUint64Array(info)[0]);
  const path = pointer === 0 ? "" : koffi.decode.string(BigInt(pointer));
  return dirname(path) === "." ? undefined : path;
}
