/**
 * @file A plugin made of callbacks: it checks what it is given as a real one does, counts what is not freed, and fails when
 * it is told to. Its programs are lines of words, not StableHLO.
 */
import {
  API_HEADER,
  argumentLayouts,
  executeOptionsLayout,
  type FunctionName,
  functionNames,
  functionOrder,
  keyValueGetLayout,
  keyValuePutLayout,
  keyValueTryGetLayout,
  memoryLayoutLayout,
  namedValueLayout,
  programLayout,
  statusNames,
} from "./api-table.ts";
import type { StatusName } from "./error.ts";
import { type NamedValue, readNamedValues } from "./named-value.ts";
import type { Address, Callback, Native } from "./native.ts";
import { readStruct, type StructLayout, writeStruct } from "./struct.ts";

type Values = Readonly<Record<string, number>>;
/** What a function gives, or nothing. */
type Handler = (given: Values) => Readonly<Record<string, number | boolean>> | undefined;

/** A failure that the fake answers with. */
class Refusal extends Error {
  readonly status: StatusName;
  constructor(status: StatusName, words: string) {
    super(words);
    this.status = status;
  }
}

interface FakeBuffer {
  readonly kind: "buffer";
  readonly type: number;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
  readonly device: Address;
  isDeleted: boolean;
  /** An error that the program which made it ended with. */
  readonly poison?: Refusal;
}
interface FakeEvent {
  readonly kind: "event";
  isReady: boolean;
  readonly poison?: Refusal;
}
interface FakeError {
  readonly kind: "error";
  readonly status: StatusName;
  readonly words: Uint8Array;
}
/** `add`, `negate`: one result; `donate N`: input N is consumed; `fail WORDS`: the results carry an error. */
interface FakeProgram<K extends string> {
  readonly kind: K;
  readonly text: string;
  readonly partitions: number;
}
type Thing =
  | FakeBuffer
  | FakeEvent
  | FakeError
  | FakeProgram<"loaded">
  | FakeProgram<"executable">
  | FakeProgram<"serialized">
  | { readonly kind: "client" };
type Of<K extends Thing["kind"]> = Extract<Thing, { readonly kind: K }>;

const elementBytes: Readonly<Record<number, number>> = { 1: 1, 2: 1, 4: 4, 8: 4, 10: 2, 11: 4, 12: 8, 13: 2 };

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
  /** What callers did wrong. */
  readonly problems: string[] = [];
  readonly calls: FunctionName[] = [];
  /** The next call of a function fails so, or every one. */
  readonly faults = new Map<FunctionName, { readonly status: StatusName; readonly words: string }>();
  createOptions = new Map<string, NamedValue>();
  compileOptions = new Uint8Array();
  /** Indices that the last run was told not to donate. */
  nonDonatable: readonly number[] = [];
  /** Events stay open until somebody waits for them. */
  isSlow = false;
  private readonly native: Native;
  private readonly options: FakeOptions;
  private readonly things = new Map<Address, Thing>();
  private readonly memory: ArrayBufferLike[] = [];
  private readonly callbacks: Callback[] = [];
  private readonly devices: readonly Address[];
  private readonly deleter: Callback;
  private lastHandle = 0x1000;

  constructor(native: Native, options: FakeOptions = {}) {
    this.native = native;
    this.options = options;
    this.devices = Array.from({ length: options.devices ?? 1 }, () => this.handle());
    const end = options.tableEnd === undefined ? functionOrder.length : functionOrder.indexOf(options.tableEnd);
    const view = new DataView(new ArrayBuffer(API_HEADER.stride + 8 * end));
    const version = { major: options.major ?? 0, minor: options.minor ?? 90, versionSize: 24 };
    writeStruct(API_HEADER, version, view, 0, view.byteLength);
    this.deleter = native.callback("vp", (thing) => this.drop("serialized", thing));
    this.callbacks.push(this.deleter);
    const handlers = this.handlers();
    for (const name of functionNames) {
      const slot = functionOrder.indexOf(name);
      const handler = handlers[name];
      if (handler === undefined || slot >= end) continue;
      const callback = native.callback("pp", (at) => this.answer(name, handler, at!));
      this.callbacks.push(callback);
      view.setBigUint64(API_HEADER.stride + 8 * slot, BigInt(callback.address), true);
    }
    this.address = this.place(new Uint8Array(view.buffer));
  }

  /** Things that nobody freed, by kind. */
  get alive(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.things.values()) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  release(): void {
    for (const callback of this.callbacks.splice(0)) callback.release();
  }

  private handle(): Address {
    this.lastHandle += 16;
    return this.lastHandle;
  }

  private add(thing: Thing): Address {
    const address = this.handle();
    this.things.set(address, thing);
    return address;
  }

  private get<K extends Thing["kind"]>(kind: K, address: Address | undefined): Of<K> {
    const thing = this.things.get(address ?? 0);
    if (thing?.kind === kind) return thing as Of<K>;
    this.problems.push(`${address} is no ${kind}`);
    throw new Refusal("INVALID_ARGUMENT", `${address} is no ${kind}`);
  }

  private drop(kind: Thing["kind"], address: Address | undefined): undefined {
    this.get(kind, address);
    this.things.delete(address!);
    return undefined;
  }

  /** Bytes that live as long as the plugin. */
  private place(bytes: Uint8Array): Address {
    const buffer = bytes.slice().buffer;
    this.memory.push(buffer);
    return this.native.addressOf(buffer);
  }

  private text(words: string): { readonly address: Address; readonly size: number } {
    const bytes = new TextEncoder().encode(words);
    return { address: this.place(bytes), size: bytes.length };
  }

  private int64s(address: Address | undefined, count: number | undefined): number[] {
    return Array.from(new BigInt64Array(this.native.read(address!, 8 * count!)), Number);
  }

  private struct(layout: StructLayout, at: Address | undefined, what: string): Values {
    const view = new DataView(this.native.read(at!, layout.stride));
    const structBytes = Number(view.getBigUint64(0, true));
    const least = layout.bytes + (this.options.laterBytes ?? 0);
    if (structBytes < least) {
      const words = `Unexpected ${what} size: expected ${least}, got ${structBytes}`;
      this.problems.push(words);
      throw new Refusal("INVALID_ARGUMENT", words);
    }
    if (view.getBigUint64(8, true) !== 0n) this.problems.push(`${what} has extensions`);
    return readStruct(layout, view) as Values;
  }

  private answer(name: FunctionName, handler: Handler, at: Address): Address {
    this.calls.push(name);
    try {
      const layout: StructLayout = argumentLayouts[name];
      const given = this.struct(layout, at, `PJRT_${name}_Args`);
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
      if (!(error instanceof Refusal)) this.problems.push(`${name}: ${error}`);
      const words = new TextEncoder().encode(error instanceof Error ? error.message : String(error));
      return this.add({ kind: "error", status, words });
    }
  }

  private event(poison?: Refusal): Address {
    return this.add({ kind: "event", isReady: !this.isSlow, ...(poison === undefined ? {} : { poison }) });
  }

  private handlers(): Partial<Record<FunctionName, Handler>> {
    const description = (device: Address | undefined): Address => device! + 8;
    return {
      Error_Destroy: ({ error }) => this.drop("error", error),
      Error_Message: ({ error }) => {
        const { words } = this.get("error", error);
        return { message: this.place(words), messageSize: words.length };
      },
      Error_GetCode: ({ error }) => ({ code: statusNames.indexOf(this.get("error", error).status) }),
      Plugin_Initialize: () => undefined,
      Event_Destroy: ({ event }) => this.drop("event", event),
      Event_IsReady: ({ event }) => ({ isReady: this.get("event", event).isReady }),
      Event_Error: ({ event }) => {
        const { isReady, poison } = this.get("event", event);
        if (!isReady) this.problems.push("Event_Error before the event is ready");
        if (poison !== undefined) throw poison;
        return undefined;
      },
      Event_Await: ({ event }) => {
        const found = this.get("event", event);
        found.isReady = true;
        if (found.poison !== undefined) throw found.poison;
        return undefined;
      },
      Client_Create: (given) => {
        this.createOptions = readNamedValues(this.native, given.createOptions!, given.numOptions!);
        if (namedValueLayout.stride !== 56) this.problems.push("PJRT_NamedValue has 56 bytes");
        if (this.createOptions.has("num_nodes")) this.exchange(given);
        return { client: this.add({ kind: "client" }) };
      },
      Client_Destroy: ({ client }) => this.drop("client", client),
      Client_PlatformName: () => {
        const { address, size } = this.text(this.options.platform ?? "Fake");
        return { name: address, nameSize: size };
      },
      Client_PlatformVersion: () => {
        const { address, size } = this.text("fake 1\nof tests");
        return { version: address, versionSize: size };
      },
      Client_ProcessIndex: () => ({ processIndex: 0 }),
      Client_AddressableDevices: () => {
        const list = BigUint64Array.from(this.devices, BigInt);
        return { devices: this.place(new Uint8Array(list.buffer)), numDevices: list.length };
      },
      Device_GetDescription: ({ device }) => ({ description: description(device) }),
      DeviceDescription_Id: (given) => ({
        id: 5 + this.devices.findIndex((device) => description(device) === given.description),
      }),
      DeviceDescription_Kind: () => {
        const { address, size } = this.text("Fake device");
        return { kind: address, kindSize: size };
      },
      DeviceDescription_Attributes: () => this.attributes(),
      Device_MemoryStats: () => ({ bytesInUse: 2 ** 30, bytesLimit: 2 ** 33, hasBytesLimit: true }),
      Client_BufferFromHostBuffer: (given) => {
        if (given.hostBufferSemantics !== 0) this.problems.push("the data may change after the call");
        if (!this.devices.includes(given.device!)) this.problems.push("an upload to no device");
        const dims = this.int64s(given.dims, given.numDims);
        const width = elementBytes[given.type!] ?? 0;
        const bytes = new Uint8Array(
          this.native.read(
            given.data!,
            dims.reduce((a, b) => a * b, width),
          ),
        );
        const buffer: FakeBuffer = {
          kind: "buffer",
          type: given.type!,
          dims,
          bytes,
          device: given.device!,
          isDeleted: false,
        };
        return { buffer: this.add(buffer), doneWithHostBuffer: this.event() };
      },
      Buffer_Destroy: ({ buffer }) => this.drop("buffer", buffer),
      Buffer_CopyToDevice: ({ buffer, targetDevice }) => ({
        target: this.add({ ...this.get("buffer", buffer), device: targetDevice! }),
      }),
      Buffer_ToHostBuffer: (given) => this.toHost(given),
      Client_Compile: (given) => {
        const program = this.struct(programLayout, given.program, "PJRT_Program");
        const format = this.native.readText(program.format!, program.formatSize!);
        if (format !== "mlir") this.problems.push(`the format is ${format}`);
        const text = this.native.readText(program.code!, program.codeSize!);
        if (text.includes("nonsense")) throw new Refusal("INVALID_ARGUMENT", `expected operation name at "${text}"`);
        this.compileOptions = new Uint8Array(this.native.read(given.options!, given.optionsSize!));
        const partitions = Number(/devices (\d)/.exec(text)?.[1] ?? 1);
        return { executable: this.add({ kind: "loaded", text, partitions }) };
      },
      LoadedExecutable_Destroy: ({ executable }) => this.drop("loaded", executable),
      LoadedExecutable_GetExecutable: ({ loadedExecutable }) => ({
        executable: this.add({ ...this.get("loaded", loadedExecutable), kind: "executable" }),
      }),
      Executable_Destroy: ({ executable }) => this.drop("executable", executable),
      Executable_NumOutputs: ({ executable }) => ({
        numOutputs: Number(/results (\d)/.exec(this.get("executable", executable).text)?.[1] ?? 1),
      }),
      Executable_GetCompiledMemoryStats: ({ executable }) => {
        this.get("executable", executable);
        return { codeBytes: 1, argumentBytes: 2, outputBytes: 3, aliasBytes: 4, temporaryBytes: 5 };
      },
      Executable_Serialize: ({ executable }) => {
        const { text, partitions } = this.get("executable", executable);
        const { address, size } = this.text(JSON.stringify({ text, partitions }));
        const owner = this.add({ kind: "serialized", text, partitions });
        return { bytes: address, bytesSize: size, owner, ownerDeleter: this.deleter.address };
      },
      Executable_DeserializeAndLoad: (given) => {
        const stored = JSON.parse(this.native.readText(given.bytes!, given.bytesSize!)) as FakeProgram<"serialized">;
        return { loadedExecutable: this.add({ ...stored, kind: "loaded" }) };
      },
      LoadedExecutable_Execute: (given) => this.execute(given),
    };
  }

  private attributes(): Readonly<Record<string, number>> {
    const entries = Object.entries(this.options.attributes ?? {});
    const { stride } = namedValueLayout;
    const view = new DataView(new ArrayBuffer(Math.max(1, stride * entries.length)));
    entries.forEach(([name, value], i) => {
      const [key, words] = [this.text(name), this.text(value)];
      const fields = { name: key.address, nameSize: key.size, type: 0, value: words.address, valueSize: words.size };
      writeStruct(namedValueLayout, fields, view, i * stride);
    });
    return { attributes: this.place(new Uint8Array(view.buffer)), numAttributes: entries.length };
  }

  private toHost(given: Values): Readonly<Record<string, number>> {
    const { dims, bytes, isDeleted, poison } = this.get("buffer", given.source);
    if (isDeleted) throw new Refusal("INVALID_ARGUMENT", "Buffer has been deleted or donated.");
    const layout = this.struct(memoryLayoutLayout, given.hostLayout, "PJRT_Buffer_MemoryLayout");
    const order = this.int64s(layout.minorToMajor, layout.minorToMajorSize);
    if (order.join() !== dims.map((_, i) => dims.length - 1 - i).join()) this.problems.push(`order ${order}`);
    if (given.dataSize !== bytes.length) this.problems.push(`room for ${given.dataSize} of ${bytes.length} bytes`);
    if (poison === undefined) this.native.write(given.data!, bytes);
    return { event: this.event(poison) };
  }

  private execute(given: Values): undefined {
    const { text, partitions } = this.get("loaded", given.executable);
    const options = this.struct(executeOptionsLayout, given.options, "PJRT_ExecuteOptions");
    this.nonDonatable = this.int64s(options.nonDonatable, options.numNonDonatable);
    if (given.numDevices !== partitions) this.problems.push(`${given.numDevices} devices for ${partitions} partitions`);
    const donated = [...text.matchAll(/donate (\d)/g)].map(([, index]) => Number(index));
    const inputLists = this.native.readAddresses(given.argumentLists!, partitions);
    const outputLists = this.native.readAddresses(given.outputLists!, partitions);
    const events: Address[] = [];
    inputLists.forEach((list, device) => {
      const inputs = this.native.readAddresses(list, given.numArgs!).map((address) => this.get("buffer", address));
      for (const { isDeleted } of inputs) {
        if (isDeleted) throw new Refusal("INVALID_ARGUMENT", "Buffer has been deleted or donated.");
      }
      if (inputs.some((input) => input.device !== this.devices[device])) this.problems.push("an input elsewhere");
      const values = inputs.map(({ bytes }) => new Float32Array(bytes.slice().buffer));
      const failing = /fail (.*)/.exec(text)?.[1];
      const result = values[0]!.map((x, i) => (text.includes("negate") ? -x : x + (values[1]?.[i] ?? 0)));
      const { type, dims } = inputs[0]!;
      const output: FakeBuffer = {
        kind: "buffer",
        type,
        dims,
        bytes: new Uint8Array(result.buffer),
        device: this.devices[device]!,
        isDeleted: false,
        ...(failing === undefined ? {} : { poison: new Refusal("INTERNAL", failing) }),
      };
      const outputs = BigUint64Array.from([BigInt(this.add(output))]);
      this.native.write(outputLists[device]!, new Uint8Array(outputs.buffer));
      for (const index of donated) if (!this.nonDonatable.includes(index)) inputs[index]!.isDeleted = true;
      events.push(this.event());
    });
    this.native.write(given.deviceCompleteEvents!, new Uint8Array(BigUint64Array.from(events, BigInt).buffer));
    return undefined;
  }

  /** What a client of several processes does: each puts its number, and gets that of the other. */
  private exchange(given: Values): void {
    const [own, count] = [this.createOptions.get("node_id"), this.createOptions.get("num_nodes")].map(Number);
    const makeError = this.native.callback("pipp", (code, message, size) =>
      this.add({
        kind: "error",
        status: statusNames[code!]!,
        words: new Uint8Array(this.native.read(message!, size!)),
      }),
    );
    const errorCell = this.place(new Uint8Array(BigUint64Array.from([BigInt(makeError.address)]).buffer));
    const call = (callback: Address, layout: StructLayout, values: Values): Values => {
      const view = new DataView(new ArrayBuffer(layout.stride));
      writeStruct(layout, { ...values, callbackError: errorCell }, view);
      const at = this.place(new Uint8Array(view.buffer));
      const error = this.native.callAt(callback, "pp", at);
      const result = readStruct(layout, new DataView(this.native.read(at, layout.stride))) as Values;
      if (error === 0) return result;
      const { status, words } = this.get("error", error);
      this.things.delete(error);
      throw new Refusal(status, new TextDecoder().decode(words));
    };
    const key = (name: string): Values => {
      const { address, size } = this.text(name);
      return { key: address, keySize: size };
    };
    try {
      const value = this.text(`node ${own}`);
      const put = { ...key(`local:${own}`), value: value.address, valueSize: value.size };
      call(given.keyValuePut!, keyValuePutLayout, put);
      for (let node = 0; node < count!; node++) {
        const wanted = { ...key(`local:${node}`), timeoutMs: 2000 };
        const got = call(given.keyValueGet!, keyValueGetLayout, wanted);
        const words = this.native.readText(got.value!, got.valueSize!);
        this.native.callAt(got.valueDeleter!, "vp", got.value!);
        if (words !== `node ${node}`) this.problems.push(`the store gave "${words}" for node ${node}`);
      }
      call(given.keyValueTryGet!, keyValueTryGetLayout, key("absent"));
      this.problems.push("the store had what nobody had put");
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== "NOT_FOUND") throw error;
    } finally {
      makeError.release();
    }
  }
}
