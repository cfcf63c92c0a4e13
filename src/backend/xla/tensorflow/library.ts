/** @file Opens TensorFlow's library in this thread, once, and never closes it. */
import { existsSync } from "node:fs";
import { platform } from "node:os";
import { resolve } from "node:path";
import { BackendError } from "../../../base/errors.ts";
import { type Address, Native } from "../pjrt/native.ts";
import { codes, type FunctionName, type Functions, type NativeFunction, signatures } from "./function-table.ts";

const advice = "Install it with: pip install tensorflow-cpu (2.14 or later).";

const typeNames = { p: "size_t", i: "int", u: "unsigned char", s: "str", z: "size_t", v: "void" } as const;
type TypeLetter = keyof typeof typeNames;

/** An open library. */
export interface TensorFlowLibrary {
  readonly path: string;
  readonly version: string;
  readonly functions: Functions;
  readonly native: Native;
  readText(address: Address): string;
}

/** A call that TensorFlow refused. */
export class TensorFlowFailure extends BackendError {
  readonly status: number;
  readonly words: string;

  constructor(what: string, status: number, words: string) {
    super(`${what} failed: ${words}`, { code: "TENSORFLOW_FAILED", path: "xla", details: { status, words } });
    this.status = status;
    this.words = words;
  }
}

function refuse(code: string, message: string): never {
  throw new BackendError(message, { code, path: "xla" });
}

/**
 * Whether XLA gives pieces of programs to YNNPACK: what it makes of products of bf16 with f32 results ends the process
 * (“Check failed: lhs->shape().element_type() == instr->shape().element_type()” in 2.21). Older ones do not know the flag.
 */
function hasYnn(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 21);
}

async function load(path: string): Promise<TensorFlowLibrary> {
  if (platform() !== "linux") refuse("XLA_PLATFORM", `TensorFlow's library is for Linux; this is ${platform()}.`);
  if (!existsSync(path)) refuse("XLA_LIBRARY_MISSING", `there is no file "${path}". ${advice}`);
  const native = await Native.open();
  // It prints what it finds out about the processor, unless it is told not to before it is loaded.
  native.suggestVariable("TF_CPP_MIN_LOG_LEVEL", "3");
  // Its threads are one pool for the process, of the size that is asked for first, unless every context has its own.
  native.suggestVariable("TF_OVERRIDE_GLOBAL_THREADPOOL", "1");
  const loaded = native.loadLibrary(path);
  if ("reason" in loaded) return refuse("XLA_LIBRARY_BROKEN", `${path} does not load: ${loaded.reason}. ${advice}`);
  const { default: koffi } = await import("koffi");
  const functions = Object.fromEntries(
    Object.entries(signatures).map(([name, letters]) => {
      const address = native.symbol(loaded.handle, name);
      if (address === 0) refuse("XLA_LIBRARY_BROKEN", `${path} is a library, but has no ${name}. ${advice}`);
      const [result, ...given] = [...letters].map((letter) => typeNames[letter as TypeLetter]);
      return [name, koffi.decode(BigInt(address), koffi.proto(result!, given)) as NativeFunction];
    }),
  ) as Readonly<Record<FunctionName, NativeFunction>>;
  const readText = (address: Address): string => (address === 0 ? "" : koffi.decode.string(BigInt(address)));
  const version = readText(functions.TF_Version());
  // The compiler reads its flags when it is first used. What people have set stays. Its fast minima and maxima lose NaNs.
  const flags = ["--xla_cpu_enable_fast_min_max=false"];
  if (hasYnn(version)) flags.push("--xla_cpu_experimental_ynn_fusion_type=");
  native.suggestVariable("XLA_FLAGS", flags.join(" "));
  return { path, version, functions, native, readText };
}

const opened = new Map<string, Promise<TensorFlowLibrary>>();

/**
 * Opens the library in this thread; the file stays loaded until the process ends.
 *
 * A file that is not what its name says may crash the process, so a self-test in a process of its own comes first.
 * @throws {BackendError} XLA_PLATFORM, XLA_LIBRARY_MISSING, XLA_LIBRARY_BROKEN
 */
export function openTensorFlowLibrary(path: string): Promise<TensorFlowLibrary> {
  const file = resolve(path);
  const found = opened.get(file) ?? load(file);
  opened.set(file, found);
  // Another try may find what is missing now.
  found.catch(() => opened.delete(file));
  return found;
}

/** A place where calls say whether they succeeded. */
export class Status {
  readonly address: Address;
  private readonly library: TensorFlowLibrary;

  constructor(library: TensorFlowLibrary) {
    this.library = library;
    this.address = library.functions.TF_NewStatus();
  }

  /** @throws {TensorFlowFailure} unless the last call succeeded */
  check(what: string): void {
    const { TF_GetCode, TF_Message } = this.library.functions;
    const code = TF_GetCode(this.address);
    if (code !== codes.ok) throw new TensorFlowFailure(what, code, this.library.readText(TF_Message(this.address)));
  }

  dispose(): void {
    this.library.functions.TF_DeleteStatus(this.address);
  }
}
