/**
 * @file A plugin made of callbacks: it checks what it is given as a real one does, counts what is not freed, and fails when
 * it is told to. Its programs are lines of words, not StableHLO.
 */
import {
  API_HEADER,
  argumentLayouts,
  type FunctionName,
  functionNames,
  functionOrder,
  statusNames,
} from "../api-table.ts";
import type { StatusName } from "../error.ts";
import type { NamedValue } from "../named-value.ts";
import type { Address, Callback, Native } from "../native.ts";
import { type StructLayout, writeStruct } from "../struct.ts";
import { FakeArrays } from "./array.ts";
import { FakeClient } from "./client.ts";
import { FakeMemory, type Handler, type Handlers, Refusal } from "./memory.ts";
import { FakeCompiler } from "./program.ts";

/** What the fake is like. */
export interface FakeOptions {
  readonly devices?: number;
  readonly major?: number;
  readonly minor?: number;
  /** Functions that its table ends before. */
  readonly tableEnd?: FunctionName;
  /** Bytes that structs have grown by since. */
  readonly laterBytes?: number;
  readonly platform?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

export class FakePlugin {
  /** Of its `PJRT_Api`. */
  readonly address: Address;
  readonly calls: FunctionName[] = [];
  /** The next call of a function fails so, or every one. */
  readonly faults = new Map<FunctionName, { readonly status: StatusName; readonly words: string }>();
  private readonly native: Native;
  private readonly memory: FakeMemory;
  private readonly client: FakeClient;
  private readonly compiler: FakeCompiler;
  private readonly callbacks: Callback[] = [];

  constructor(native: Native, options: FakeOptions = {}) {
    this.native = native;
    this.memory = new FakeMemory(native, options.laterBytes ?? 0);
    this.client = new FakeClient(this.memory, options);
    this.compiler = new FakeCompiler(this.memory, this.client.devices);
    const end = options.tableEnd === undefined ? functionOrder.length : functionOrder.indexOf(options.tableEnd);
    const view = new DataView(new ArrayBuffer(API_HEADER.stride + 8 * end));
    const version = { major: options.major ?? 0, minor: options.minor ?? 90, versionSize: 24 };
    writeStruct(API_HEADER, version, view, 0, view.byteLength);
    const handlers: Handlers = {
      ...this.handlers(),
      ...this.client.handlers(),
      ...new FakeArrays(this.memory, this.client.devices).handlers(),
      ...this.compiler.handlers(),
    };
    for (const name of functionNames) {
      const slot = functionOrder.indexOf(name);
      const handler = handlers[name];
      if (handler === undefined || slot >= end) continue;
      const callback = native.callback("pp", (at) => this.answer(name, handler, at!));
      this.callbacks.push(callback);
      view.setBigUint64(API_HEADER.stride + 8 * slot, BigInt(callback.address), true);
    }
    this.address = this.memory.place(new Uint8Array(view.buffer));
  }

  /** What callers did wrong. */
  get problems(): readonly string[] {
    return this.memory.problems;
  }

  /** Things that nobody freed, by kind. */
  get alive(): Readonly<Record<string, number>> {
    return this.memory.alive;
  }

  /** Events stay open until somebody waits for them. */
  set isSlow(isSlow: boolean) {
    this.memory.isSlow = isSlow;
  }

  /** What the client was created with. */
  get createOptions(): ReadonlyMap<string, NamedValue> {
    return this.client.createOptions;
  }

  /** The variable that says how many threads a client has, when it was created. */
  get threads(): string | undefined {
    return this.client.threads;
  }

  /** What the last program was compiled with. */
  get compileOptions(): Uint8Array {
    return this.compiler.compileOptions;
  }

  /** Indices that the last run was told not to donate. */
  get nonDonatable(): readonly number[] {
    return this.compiler.nonDonatable;
  }

  release(): void {
    this.compiler.release();
    for (const callback of this.callbacks.splice(0)) callback.release();
  }

  private answer(name: FunctionName, handler: Handler, at: Address): Address {
    this.calls.push(name);
    try {
      const layout: StructLayout = argumentLayouts[name];
      const given = this.memory.struct(layout, at, `PJRT_${name}_Args`);
      const fault = this.faults.get(name);
      this.faults.delete(name);
      if (fault !== undefined) throw new Refusal(fault.status, fault.words);
      const result = handler(given);
      if (result !== undefined) {
        const view = new DataView(this.native.read(at, layout.stride));
        const structBytes = Number(view.getBigUint64(0, true));
        writeStruct(layout, result, view, 0, structBytes);
        this.native.write(at, new Uint8Array(view.buffer, 0, layout.bytes));
      }
      // What a function without result leaves behind means nothing.
      return name === "Error_Destroy" || name === "Error_Message" ? 0xdead : 0;
    } catch (error) {
      const status = error instanceof Refusal ? error.status : "INTERNAL";
      if (!(error instanceof Refusal)) this.memory.problems.push(`${name}: ${error}`);
      const words = new TextEncoder().encode(error instanceof Error ? error.message : String(error));
      return this.memory.add({ kind: "error", status, words });
    }
  }

  /** Errors and events. */
  private handlers(): Handlers {
    const { memory } = this;
    return {
      Error_Destroy: ({ error }) => memory.drop("error", error),
      Error_Message: ({ error }) => {
        const { words } = memory.get("error", error);
        return { message: memory.place(words), messageSize: words.length };
      },
      Error_GetCode: ({ error }) => ({ code: statusNames.indexOf(memory.get("error", error).status) }),
      Plugin_Initialize: () => undefined,
      Event_Destroy: ({ event }) => memory.drop("event", event),
      Event_IsReady: ({ event }) => ({ isReady: memory.get("event", event).isReady }),
      Event_Error: ({ event }) => {
        const { isReady, poison } = memory.get("event", event);
        if (!isReady) memory.problems.push("Event_Error before the event is ready");
        if (poison !== undefined) throw poison;
        return undefined;
      },
      Event_Await: ({ event }) => {
        const found = memory.get("event", event);
        found.isReady = true;
        if (found.poison !== undefined) throw found.poison;
        return undefined;
      },
    };
  }
}
