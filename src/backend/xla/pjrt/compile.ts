/** @file Compiles StableHLO text with a plugin, or loads what it compiled before. */
import { BackendError } from "../../../base/errors.ts";
import type { XlaProgram } from "../executor.ts";
import { nativeStruct } from "./api.ts";
import { programLayout } from "./api-table.ts";
import type { PjrtClient, PjrtDevice } from "./client.ts";
import type { CompileCache } from "./compile-cache.ts";
import { type CompilerFlag, encodeCompileOptions } from "./compile-options.ts";
import { failureOf, memoryFailure } from "./error.ts";
import type { Address } from "./native.ts";
import { PjrtExecutable } from "./pjrt-executable.ts";

export interface CompileContext {
  readonly client: PjrtClient;
  readonly devices: readonly PjrtDevice[];
  /** Flags that were asked for. */
  readonly flags: Readonly<Record<string, CompilerFlag>>;
  /** Flags that Firth sets where the compiler has them; one that it does not have is taken out. */
  readonly ownFlags: Map<string, CompilerFlag>;
  readonly cache: CompileCache | undefined;
}

/** The flag that a compiler says it does not have. */
function unknownFlag(error: unknown): string | undefined {
  if (!(error instanceof BackendError) || error.code !== "XLA_COMPILE_FAILED") return undefined;
  return /No such compile option: '(\w+)'/.exec(error.message)?.[1];
}

/** What to try when a text does not compile. */
function adviceFor(text: string): string {
  const advice = "Try a newer plugin; if it stays, report it with the text.";
  return text.includes("@__cudnn$")
    ? `It uses cuDNN's kernels for attention: try engine.attention: written-out. ${advice}`
    : advice;
}

async function compileText(client: PjrtClient, { name, text }: XlaProgram, options: Uint8Array): Promise<Address> {
  const { api } = client;
  const [code, format] = [text, "mlir"].map((words) => new TextEncoder().encode(words)) as [Uint8Array, Uint8Array];
  const own = (bytes: Uint8Array): Address => api.native.addressOf(bytes.buffer, bytes.byteOffset);
  const program = nativeStruct(api.native, programLayout, {
    code: own(code),
    codeSize: code.length,
    format: own(format),
    formatSize: format.length,
  });
  try {
    const { executable } = await api.callAsync(
      "Client_Compile",
      {
        client: client.address,
        program: program.address,
        options: own(options),
        optionsSize: options.length,
      },
      program,
      code.buffer,
      format.buffer,
      options.buffer,
    );
    return executable;
  } catch (error) {
    const what = `the program ${name} (${code.length} bytes of StableHLO) does not compile`;
    throw failureOf(
      memoryFailure(error, `compiling ${name}`, () => client.memory(client.devices[0]!)),
      "XLA_COMPILE_FAILED",
      what,
      adviceFor(text),
    );
  }
}

/** A program that an earlier process compiled; undefined when it does not load. */
async function loadStored(client: PjrtClient, stored: Uint8Array, options: Uint8Array): Promise<Address | undefined> {
  const { api } = client;
  try {
    const { loadedExecutable } = await api.callAsync(
      "Executable_DeserializeAndLoad",
      {
        client: client.address,
        bytes: api.native.addressOf(stored.buffer, stored.byteOffset),
        bytesSize: stored.length,
        options: api.native.addressOf(options.buffer, options.byteOffset),
        optionsSize: options.length,
      },
      stored.buffer,
      options.buffer,
    );
    return loadedExecutable;
  } catch {
    return undefined;
  }
}

/** @throws {BackendError} XLA_COMPILE_FAILED with the compiler's words; OUT_OF_MEMORY */
export async function compileProgram(context: CompileContext, program: XlaProgram): Promise<PjrtExecutable> {
  context.client.requireOpen();
  // A client that is closed meanwhile is there until its compiler has ended.
  return context.client.during(compileOrLoad(context, program));
}

async function compileOrLoad(context: CompileContext, program: XlaProgram): Promise<PjrtExecutable> {
  // Another program that is compiled meanwhile may take the flag out first.
  const given = new Set(context.ownFlags.keys());
  try {
    return await compileWithFlags(context, program);
  } catch (error) {
    const name = unknownFlag(error);
    if (name === undefined || !given.has(name)) throw error;
    context.ownFlags.delete(name);
    return compileOrLoad(context, program);
  }
}

async function compileWithFlags(context: CompileContext, program: XlaProgram): Promise<PjrtExecutable> {
  const { client, devices, flags, ownFlags, cache } = context;
  const used = devices.slice(0, program.partitions);
  const options = encodeCompileOptions({
    partitions: program.partitions,
    devices: used.map(({ id }) => id),
    usesShardy: program.text.includes("sdy.mesh @"),
    flags: { ...Object.fromEntries(ownFlags), ...flags },
  });
  const key = cache?.key(program.text, options);
  const stored = key === undefined ? undefined : cache?.read(key);
  const loaded = stored === undefined ? undefined : await loadStored(client, stored, options);
  if (loaded !== undefined) return new PjrtExecutable(client, program, used, loaded);
  const compiled = new PjrtExecutable(client, program, used, await compileText(client, program, options));
  if (key !== undefined) {
    try {
      cache?.write(key, compiled.serialize());
    } catch {
      // Only a cache: a plugin that cannot write programs down compiles them again.
    }
  }
  return compiled;
}
