/** @file The client of an imitated plugin, and its devices. */
import { namedValueLayout } from "../api-table.ts";
import { type NamedValue, readNamedValues } from "../named-value.ts";
import type { Address } from "../native.ts";
import { writeStruct } from "../struct.ts";
import { exchangeKeys } from "./key-value.ts";
import type { FakeMemory, Handlers } from "./memory.ts";

export interface FakeClientOptions {
  readonly devices?: number;
  readonly platform?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Where a device's description lies. */
const description = (device: Address | undefined): Address => device! + 8;

export class FakeClient {
  readonly devices: readonly Address[];
  /** What it was created with. */
  createOptions: ReadonlyMap<string, NamedValue> = new Map();
  /** The variable that says how many threads it has, when it was created. */
  threads: string | undefined;
  private readonly memory: FakeMemory;
  private readonly options: FakeClientOptions;

  constructor(memory: FakeMemory, options: FakeClientOptions) {
    this.memory = memory;
    this.options = options;
    this.devices = Array.from({ length: options.devices ?? 1 }, () => memory.handle());
  }

  handlers(): Handlers {
    const { memory, devices } = this;
    return {
      Client_Create: (given) => {
        this.threads = memory.native.variable("PJRT_NPROC");
        this.createOptions = readNamedValues(memory.native, given.createOptions!, given.numOptions!);
        if (namedValueLayout.stride !== 56) memory.problems.push("PJRT_NamedValue has 56 bytes");
        if (this.createOptions.has("num_nodes")) exchangeKeys(memory, given, this.createOptions);
        return { client: memory.add({ kind: "client" }) };
      },
      Client_Destroy: ({ client }) => memory.drop("client", client),
      Client_PlatformName: () => {
        const { address, size } = memory.text(this.options.platform ?? "Fake");
        return { name: address, nameSize: size };
      },
      Client_PlatformVersion: () => {
        const { address, size } = memory.text("fake 1\nof tests");
        return { version: address, versionSize: size };
      },
      Client_ProcessIndex: () => ({ processIndex: 0 }),
      Client_AddressableDevices: () => {
        const list = BigUint64Array.from(devices, BigInt);
        return { devices: memory.place(new Uint8Array(list.buffer)), numDevices: list.length };
      },
      Device_GetDescription: ({ device }) => ({ description: description(device) }),
      DeviceDescription_Id: (given) => ({
        id: 5 + devices.findIndex((device) => description(device) === given.description),
      }),
      DeviceDescription_Kind: () => {
        const { address, size } = memory.text("Fake device");
        return { kind: address, kindSize: size };
      },
      DeviceDescription_Attributes: () => this.attributes(),
      Device_MemoryStats: () => ({ bytesInUse: 2 ** 30, bytesLimit: 2 ** 33, hasBytesLimit: true }),
    };
  }

  private attributes(): Readonly<Record<string, number>> {
    const { memory } = this;
    const entries = Object.entries(this.options.attributes ?? {});
    const { stride } = namedValueLayout;
    const view = new DataView(new ArrayBuffer(Math.max(1, stride * entries.length)));
    entries.forEach(([name, value], i) => {
      const [key, words] = [memory.text(name), memory.text(value)];
      const fields = { name: key.address, nameSize: key.size, type: 0, value: words.address, valueSize: words.size };
      writeStruct(namedValueLayout, fields, view, i * stride);
    });
    return { attributes: memory.place(new Uint8Array(view.buffer)), numAttributes: entries.length };
  }
}
