/** @file Native memory and native functions, seen from this thread through koffi. */
import { platform } from "node:os";
import { BackendError } from "../../../base/errors.ts";

type Koffi = typeof import("koffi").default;
type KoffiType = ReturnType<Koffi["proto"]>;

/** An address in native memory; those of programs stay below 2⁴⁸. */
export type Address = number;

/** A function that takes the address of a struct; what it returns is an address too. */
export interface StructFunction {
  (argument: Address): Address;
  /** Runs it in another thread. */
  async(argument: Address, done: (error: unknown, result: Address) => void): void;
}

/** A function of ours that native code calls. */
export interface Callback {
  readonly address: Address;
  release(): void;
}

/** Types of callbacks by their letters: p an address, i an int, v nothing; the result comes first. */
export type CallbackType = "pp" | "pipp" | "vp" | "pip";

const typeNames = { p: "size_t", i: "int", v: "void" } as const;

/** A compiler of whole models goes deep. */
const STACK_BYTES = 16 * 1024 * 1024;
const RTLD_NOW = 0x2;
/** Plugins start threads: a file that is unloaded under them crashes the process. */
const RTLD_NODELETE = platform() === "darwin" ? 0x80 : 0x1000;

let opened: Promise<Native> | undefined;

/** The part of the process that JavaScript does not show. */
export class Native {
  private readonly koffi: Koffi;
  private readonly structFunction: KoffiType;
  private readonly callbackTypes = new Map<CallbackType, KoffiType>();
  private readonly dlopen: (path: string, flags: number) => Address;
  private readonly dlsym: (handle: Address, name: string) => Address;
  private readonly dlerror: () => string | null;
  private readonly memcpy: (target: Address, source: Address, bytes: number) => Address;
  private readonly getenv: (name: string) => string | null;
  private readonly setenv: (name: string, value: string, overwrite: number) => number;
  private readonly unsetenv: (name: string) => number;

  private constructor(koffi: Koffi) {
    this.koffi = koffi;
    // The process itself: it has the C library's functions under every name that library goes by.
    const self = koffi.load(null);
    this.structFunction = koffi.proto("size_t", ["size_t"]);
    this.dlopen = self.func("dlopen", "size_t", ["str", "int"]);
    this.dlsym = self.func("dlsym", "size_t", ["size_t", "str"]);
    this.dlerror = self.func("dlerror", "str", []);
    this.memcpy = self.func("memcpy", "size_t", ["size_t", "size_t", "size_t"]);
    this.getenv = self.func("getenv", "str", ["str"]);
    this.setenv = self.func("setenv", "int", ["str", "str", "int"]);
    this.unsetenv = self.func("unsetenv", "int", ["str"]);
  }

  /** @throws {BackendError} PJRT_PLATFORM on systems without dlopen; PJRT_STACK */
  static open(): Promise<Native> {
    opened ??= Native.load();
    return opened;
  }

  private static async load(): Promise<Native> {
    if (platform() === "win32") {
      throw new BackendError("the XLA engine runs on Linux and macOS; this is Windows. Use the engine onnx.", {
        code: "PJRT_PLATFORM",
        path: "xla",
      });
    }
    const { default: koffi } = await import("koffi");
    const config = koffi.config();
    if (config.sync_stack_size !== STACK_BYTES || config.async_stack_size !== STACK_BYTES) {
      try {
        koffi.config({ ...config, sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
      } catch {
        throw new BackendError(
          `compilers need ${STACK_BYTES >> 20} MiB of stack; koffi was given ${config.async_stack_size} bytes by an earlier user in this thread. Open the XLA engine first.`,
          { code: "PJRT_STACK", path: "xla" },
        );
      }
    }
    return new Native(koffi);
  }

  /** A loaded file, or why there is none. It stays loaded. */
  loadLibrary(path: string): { readonly handle: Address } | { readonly reason: string } {
    const handle = this.dlopen(path, RTLD_NOW | RTLD_NODELETE);
    return handle === 0 ? { reason: this.dlerror() ?? "unknown reason" } : { handle };
  }

  /** The address of a name in a loaded file; 0 when it has none. */
  symbol(handle: Address, name: string): Address {
    return this.dlsym(handle, name);
  }

  functionAt(address: Address): StructFunction {
    return this.koffi.decode(BigInt(address), this.structFunction) as StructFunction;
  }

  /** Calls a function of any of the callbacks' types once. */
  callAt(address: Address, type: CallbackType, ...given: Address[]): Address {
    const native = this.koffi.decode(BigInt(address), this.callbackType(type)) as (...given: Address[]) => Address;
    return native(...given);
  }

  callback(type: CallbackType, run: (...given: Address[]) => Address | undefined): Callback {
    const pointer = this.koffi.register(run, this.koffi.pointer(this.callbackType(type)));
    return { address: Number(pointer), release: () => this.koffi.unregister(pointer) };
  }

  /** Sets a variable of the process, as native code sees it, unless it is set. */
  suggestVariable(name: string, value: string): void {
    this.setenv(name, value, 0);
  }

  /** A variable of the process, as native code sees it; undefined where it is not set. */
  variable(name: string): string | undefined {
    return this.getenv(name) ?? undefined;
  }

  /** Sets a variable of the process, as native code sees it; undefined takes it away. */
  setVariable(name: string, value: string | undefined): void {
    if (value === undefined) this.unsetenv(name);
    else this.setenv(name, value, 1);
  }

  /** The address of a buffer's byte; whoever uses it must keep the buffer. 0 for an empty buffer. */
  addressOf(buffer: ArrayBufferLike, byteOffset = 0): Address {
    return buffer.byteLength === 0 ? 0 : Number(this.koffi.address(new Uint8Array(buffer))) + byteOffset;
  }

  /** A copy of native memory. */
  read(address: Address, bytes: number): ArrayBuffer {
    const copy = new ArrayBuffer(bytes);
    if (bytes > 0) this.memcpy(this.addressOf(copy), address, bytes);
    return copy;
  }

  /** @returns the bytes: whoever has the result has kept them while they were copied */
  write(address: Address, bytes: Uint8Array): Uint8Array {
    if (bytes.length > 0) this.memcpy(address, this.addressOf(bytes.buffer, bytes.byteOffset), bytes.length);
    return bytes;
  }

  readText(address: Address, bytes: number): string {
    return address === 0 ? "" : new TextDecoder().decode(this.read(address, bytes));
  }

  /** Addresses in native memory, one after the other. */
  readAddresses(address: Address, count: number): Address[] {
    return Array.from(new BigUint64Array(this.read(address, 8 * count)), Number);
  }

  private callbackType(type: CallbackType): KoffiType {
    let found = this.callbackTypes.get(type);
    if (found === undefined) {
      const [result, ...given] = [...type].map((letter) => typeNames[letter as keyof typeof typeNames]);
      found = this.koffi.proto(result!, given);
      this.callbackTypes.set(type, found);
    }
    return found;
  }
}
