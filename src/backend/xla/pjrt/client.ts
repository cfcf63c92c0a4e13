/** @file A plugin's client: its devices, their memory, and everything of it that must be freed. */

import { BackendError } from "../../../base/errors.ts";
import type { PjrtApi } from "./api.ts";
import type { DeviceMemory } from "./error.ts";
import { forget, settled } from "./event.ts";
import type { KeyValueCallbacks } from "./key-value-callbacks.ts";
import { type CreateOptions, type NamedValue, readNamedValues, writeNamedValues } from "./named-value.ts";
import type { Address } from "./native.ts";

/** A device that this process may use. */
export interface PjrtDevice {
  readonly address: Address;
  /** Its number in programs that several devices share. */
  readonly id: number;
  /** Like “NVIDIA H200”. */
  readonly kind: string;
  readonly attributes: ReadonlyMap<string, NamedValue>;
}

/** Something native that is freed once, at the latest with its client. */
export interface Owned {
  free(): void;
}

/** An open client. */
export class PjrtClient {
  readonly api: PjrtApi;
  readonly address: Address;
  /** In lower case: `cpu`, `cuda`, `tpu`, … */
  readonly platform: string;
  readonly platformVersion: string;
  readonly processIndex: number;
  readonly devices: readonly PjrtDevice[];
  private readonly owned = new Set<Owned>();
  private readonly callbacks: KeyValueCallbacks | undefined;
  private lastStart: Promise<unknown> = Promise.resolve();
  private running: Address[] = [];
  private readonly pending = new Set<Promise<unknown>>();
  private isClosed = false;

  private constructor(api: PjrtApi, address: Address, callbacks: KeyValueCallbacks | undefined) {
    const client = address;
    this.api = api;
    this.address = address;
    this.callbacks = callbacks;
    const { name, nameSize } = api.call("Client_PlatformName", { client });
    this.platform = api.native.readText(name, nameSize).toLowerCase();
    const { version, versionSize } = api.call("Client_PlatformVersion", { client });
    this.platformVersion = api.native.readText(version, versionSize).trim();
    this.processIndex = api.call("Client_ProcessIndex", { client }).processIndex;
    const { devices, numDevices } = api.call("Client_AddressableDevices", { client });
    this.devices = api.native.readAddresses(devices, numDevices).map((device) => this.describe(device));
  }

  /**
   * Creates a client in another thread, so that callbacks of the plugin's threads find this one free.
   * @throws {PjrtFailure} in the plugin's words; {BackendError} PJRT_NO_DEVICE
   */
  static async create(api: PjrtApi, options: CreateOptions, callbacks?: KeyValueCallbacks): Promise<PjrtClient> {
    if (api.has("Plugin_Initialize")) await api.callAsync("Plugin_Initialize", {});
    const named = writeNamedValues(api.native, options);
    const callbackAddresses =
      callbacks === undefined
        ? {}
        : { keyValueGet: callbacks.get, keyValuePut: callbacks.put, keyValueTryGet: callbacks.tryGet };
    const given = { createOptions: named.address, numOptions: named.count, ...callbackAddresses };
    const { client } = await api.callAsync("Client_Create", given, named).catch((error: unknown) => {
      callbacks?.release();
      throw error;
    });
    const made = new PjrtClient(api, client, callbacks);
    if (made.devices.length > 0) return made;
    await made.close();
    throw new BackendError(
      `the plugin ${api.path} (${made.platform}) sees no device. Check the driver and which devices are visible.`,
      { code: "PJRT_NO_DEVICE", path: "xla" },
    );
  }

  /** Memory of a device; undefined where the plugin does not tell. */
  memory(device: PjrtDevice): DeviceMemory | undefined {
    try {
      const stats = this.api.call("Device_MemoryStats", { device: device.address });
      return {
        bytesInUse: stats.bytesInUse,
        bytesLimit: stats.hasBytesLimit ? stats.bytesLimit : undefined,
        peakBytesInUse: stats.hasPeakBytesInUse ? stats.peakBytesInUse : undefined,
      };
    } catch {
      return undefined;
    }
  }

  /** @throws {BackendError} PJRT_CLOSED after `close` */
  requireOpen(): void {
    if (!this.isClosed) return;
    throw new BackendError("the engine was disposed; its arrays and programs are gone. Open it again.", {
      code: "PJRT_CLOSED",
      path: "xla",
    });
  }

  /** Frees it with the client, unless it is freed before. */
  own<T extends Owned>(thing: T): T {
    this.owned.add(thing);
    return thing;
  }

  disown(thing: Owned): void {
    this.owned.delete(thing);
  }

  /** Things alive, for those who look for leaks. */
  get numOwned(): number {
    return this.owned.size;
  }

  /** Starts work after all that was started before: devices that work together must see the same order. */
  inOrder<T>(start: () => Promise<T>): Promise<T> {
    const started = this.lastStart.then(start, start);
    this.lastStart = started.catch(() => undefined);
    return started;
  }

  /** Remembers the events of the run that was started last; those before it end before it. */
  nowRunning(events: readonly Address[]): void {
    const before = this.running;
    this.running = [...events];
    for (const event of before) forget(this.api, event);
  }

  /** Work that must end before the client does. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.pending.add(work);
    try {
      return await work;
    } finally {
      this.pending.delete(work);
    }
  }

  /** Waits for all work that was started; its errors belong to those who read its results. */
  async idle(): Promise<void> {
    await this.lastStart;
    const events = this.running;
    this.running = [];
    for (const event of events) await settled(this.api, event).catch(() => undefined);
    await Promise.allSettled(this.pending);
  }

  /** Frees everything; again does nothing. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.idle();
    for (const thing of [...this.owned].reverse()) thing.free();
    await this.api.callAsync("Client_Destroy", { client: this.address });
    this.callbacks?.release();
  }

  private describe(device: Address): PjrtDevice {
    const { api } = this;
    const { description } = api.call("Device_GetDescription", { device });
    const { id } = api.call("DeviceDescription_Id", { description });
    const { kind, kindSize } = api.call("DeviceDescription_Kind", { description });
    const { attributes, numAttributes } = api.call("DeviceDescription_Attributes", { description });
    return {
      address: device,
      id,
      kind: api.native.readText(kind, kindSize),
      attributes: readNamedValues(api.native, attributes, numAttributes),
    };
  }
}
