/** @file Calls into a plugin: arguments are encoded, results decoded, errors raised and freed. */
import { BackendError } from "../../../base/errors.ts";
import {
  API_HEADER,
  API_MAJOR,
  argumentLayouts,
  type FunctionName,
  type FunctionValues,
  functionNames,
  functionOrder,
  OLDEST_MINOR,
  silentFunctions,
  statusNames,
} from "./api-table.ts";
import { PjrtFailure, type StatusName } from "./error.ts";
import type { Address, Native, StructFunction } from "./native.ts";
import { HEADER_BYTES, readStruct, type StructLayout, writeStruct } from "./struct.ts";

/**
 * Room for fields that a later version of the interface appended. A newer plugin refuses shorter structs; the fields are
 * there as zeroes, which is how one that is not set reads, and what it gives in them is not looked at.
 */
const LATER_BYTES = 64;

/** The address of a struct's bytes, for native code to read and write. */
export interface NativeStruct {
  readonly view: DataView<ArrayBuffer>;
  readonly address: Address;
}

/** A struct in memory of its own, with room for later fields. */
export function nativeStruct(
  native: Native,
  layout: StructLayout,
  values: Readonly<Record<string, number | boolean>>,
): NativeStruct {
  const bytes = layout.stride + LATER_BYTES;
  const view = new DataView(new ArrayBuffer(bytes));
  writeStruct(layout, values, view, 0, bytes);
  return { view, address: native.addressOf(view.buffer) };
}

/** The functions of an open plugin. */
export class PjrtApi {
  readonly native: Native;
  /** Of the interface that the plugin was built with, like 0.112. */
  readonly version: { readonly major: number; readonly minor: number };
  /** How many functions its table has. */
  readonly numFunctions: number;
  /** The plugin's file, for people. */
  readonly path: string;
  private readonly table: readonly Address[];
  private readonly functions = new Map<FunctionName, StructFunction>();
  /** Arguments of calls in this thread, to be written again: one that is under way is not among them. */
  private readonly idle = new Map<FunctionName, NativeStruct>();
  private readonly destroyed = new Map<FunctionName, NativeStruct>();
  /** What calls under way point to. */
  private readonly kept = new Set<readonly object[]>();

  /**
   * @param address of its `PJRT_Api`
   * @throws {BackendError} PJRT_VERSION for an interface that Firth does not know
   */
  constructor(native: Native, address: Address, path: string) {
    this.native = native;
    this.path = path;
    const header = new DataView(native.read(address, API_HEADER.stride));
    const { major, minor } = readStruct(API_HEADER, header);
    const tableBytes = Number(header.getBigUint64(0, true)) - API_HEADER.stride;
    if (major !== API_MAJOR || minor < OLDEST_MINOR || tableBytes < 0 || tableBytes % 8 !== 0) {
      throw new BackendError(
        `${path} has PJRT version ${major}.${minor}; Firth knows ${API_MAJOR}.${OLDEST_MINOR} and later minors. Install another release of the plugin.`,
        { code: "PJRT_VERSION", path: "xla", details: { major, minor, tableBytes } },
      );
    }
    this.version = { major, minor };
    this.numFunctions = tableBytes / 8;
    // A longer table has functions that Firth does not call; a shorter one ends where this one does.
    this.table = native.readAddresses(address + API_HEADER.stride, Math.min(this.numFunctions, functionOrder.length));
  }

  /** Whether the plugin has a function. */
  has(name: FunctionName): boolean {
    return (this.table[functionOrder.indexOf(name)] ?? 0) !== 0;
  }

  /**
   * Calls a function in this thread.
   * @param kept what its argument points to: memory that would be collected with them
   * @throws {PjrtFailure} with the plugin's words
   */
  call<N extends FunctionName>(
    name: N,
    values: Partial<FunctionValues<N>>,
    ...kept: readonly object[]
  ): FunctionValues<N> {
    const struct = this.rewritten(name, values);
    this.kept.add(kept);
    try {
      const error = this.functionNamed(name)(struct.address);
      this.raise(name, error);
      return this.result(name, struct);
    } finally {
      this.kept.delete(kept);
      this.idle.set(name, struct);
    }
  }

  /** Calls a function in another thread. @throws {PjrtFailure} with the plugin's words */
  async callAsync<N extends FunctionName>(
    name: N,
    values: Partial<FunctionValues<N>>,
    ...kept: readonly object[]
  ): Promise<FunctionValues<N>> {
    const struct = this.argument(name, values);
    const run = this.functionNamed(name);
    this.kept.add(kept);
    const error = await new Promise<Address>((resolve, reject) => {
      run.async(struct.address, (problem, result) => (problem === null ? resolve(result) : reject(problem)));
    }).finally(() => this.kept.delete(kept));
    this.raise(name, error);
    return this.result(name, struct);
  }

  /** Frees a thing: the call that is made most often, a thousand times a step, so its argument is written in place. */
  destroy(name: "Buffer_Destroy" | "Event_Destroy", handle: Address): void {
    let struct = this.destroyed.get(name);
    if (struct === undefined) {
      struct = this.argument(name, {});
      this.destroyed.set(name, struct);
    }
    struct.view.setBigUint64(HEADER_BYTES, BigInt(handle), true);
    this.raise(name, this.functionNamed(name)(struct.address));
  }

  /** Raises and frees an error that the plugin made; none is 0. @throws {PjrtFailure} */
  raise(call: string, error: Address): void {
    if (error === 0) return;
    const { message, messageSize } = this.call("Error_Message", { error });
    const words = this.native.readText(message, messageSize);
    // Asked for without looking for an error again, which would be asked for its code in turn.
    const code = this.argument("Error_GetCode", { error });
    this.functionNamed("Error_GetCode")(code.address);
    const status: StatusName = statusNames[this.result("Error_GetCode", code).code] ?? "UNKNOWN";
    this.call("Error_Destroy", { error });
    throw new PjrtFailure(call, status, words);
  }

  private argument<N extends FunctionName>(name: N, values: Partial<FunctionValues<N>>): NativeStruct {
    return nativeStruct(this.native, argumentLayouts[name], values as Readonly<Record<string, number | boolean>>);
  }

  /** An argument in memory that an earlier call had, where there is some. */
  private rewritten<N extends FunctionName>(name: N, values: Partial<FunctionValues<N>>): NativeStruct {
    const struct = this.idle.get(name);
    if (struct === undefined) return this.argument(name, values);
    this.idle.delete(name);
    const { view } = struct;
    new Uint8Array(view.buffer).fill(0);
    writeStruct(
      argumentLayouts[name] as StructLayout,
      values as Readonly<Record<string, number>>,
      view,
      0,
      view.byteLength,
    );
    return struct;
  }

  private result<N extends FunctionName>(name: N, { view }: NativeStruct): FunctionValues<N> {
    return readStruct(argumentLayouts[name] as StructLayout, view) as FunctionValues<N>;
  }

  private functionNamed(name: FunctionName): StructFunction {
    let found = this.functions.get(name);
    if (found === undefined) {
      if (!this.has(name)) throw new PjrtFailure(name, "UNIMPLEMENTED", `${this.path} has no PJRT_${name}`);
      const native = this.native.functionAt(this.table[functionOrder.indexOf(name)]!);
      found = silentFunctions.has(name) ? withoutResult(native) : native;
      this.functions.set(name, found);
    }
    return found;
  }
}

/** What a function without result leaves in the register of results means nothing. */
function withoutResult(run: StructFunction): StructFunction {
  const silent = (argument: Address): Address => {
    run(argument);
    return 0;
  };
  return Object.assign(silent, { async: run.async });
}

if (functionNames.some((name) => !functionOrder.includes(name))) {
  throw new RangeError("the PJRT table names a function that has no place in it");
}
