/** @file A compiled program on the devices of a plugin. */
import { BackendError } from "../../../base/errors.ts";
import { formatType, sameType } from "../../../ir/shape.ts";
import type { DeviceArray, ProgramMemory, XlaExecutable, XlaProgram } from "../executor.ts";
import { nativeStruct } from "./api.ts";
import { executeOptionsLayout } from "./api-table.ts";
import type { Owned, PjrtClient, PjrtDevice } from "./client.ts";
import { DeviceBuffer } from "./device-buffer.ts";
import { failureOf, memoryFailure } from "./error.ts";
import { type NamedValue, readNamedValues } from "./named-value.ts";
import type { Address } from "./native.ts";
import { PjrtArray } from "./pjrt-array.ts";

const WORD = 2 ** 32;

/** A list of addresses in native memory. */
class AddressList {
  readonly address: Address;
  /** Two words an address: BigInts would have to be allocated. */
  private readonly words: Uint32Array<ArrayBuffer>;

  constructor({ api }: PjrtClient, length: number) {
    this.words = new Uint32Array(new ArrayBuffer(8 * Math.max(1, length)));
    this.address = api.native.addressOf(this.words.buffer);
  }

  set(index: number, address: Address): void {
    this.words[2 * index] = address % WORD;
    this.words[2 * index + 1] = Math.floor(address / WORD);
  }

  get(index: number): Address {
    return this.words[2 * index + 1]! * WORD + this.words[2 * index]!;
  }
}

function refuse(program: XlaProgram, code: string, message: string): never {
  throw new BackendError(message, { code, path: `xla: ${program.name}` });
}

/** What the compiler says a program takes; undefined where it does not tell. */
function memoryOf(client: PjrtClient, executable: Address): ProgramMemory | undefined {
  try {
    const stats = client.api.call("Executable_GetCompiledMemoryStats", { executable });
    const { argumentBytes, outputBytes, temporaryBytes, codeBytes, aliasBytes } = stats;
    return { argumentBytes, outputBytes, temporaryBytes, codeBytes, aliasBytes };
  } catch {
    return undefined;
  }
}

/** A loaded program; it runs on the first devices of its executor. */
export class PjrtExecutable implements XlaExecutable, Owned {
  readonly memory: ProgramMemory | undefined;
  private readonly client: PjrtClient;
  private readonly program: XlaProgram;
  private readonly devices: readonly PjrtDevice[];
  private readonly inputs: readonly AddressList[];
  private readonly outputs: readonly AddressList[];
  private readonly inputLists: AddressList;
  private readonly outputLists: AddressList;
  private readonly events: AddressList;
  private readonly nonDonatable: AddressList;
  private readonly numNonDonatable: number;
  private handle: Address;

  /**
   * @param handle of the loaded executable, which this object frees
   * @param devices as many as the program has partitions
   * @throws {BackendError} XLA_COMPILE_FAILED when the text gives another number of results than the program says
   */
  constructor(client: PjrtClient, program: XlaProgram, devices: readonly PjrtDevice[], handle: Address) {
    this.client = client;
    this.program = program;
    this.devices = devices;
    this.handle = handle;
    client.own(this);
    const lists = (length: number): AddressList[] => devices.map(() => new AddressList(client, length));
    this.inputs = lists(program.inputs.length);
    this.outputs = lists(program.outputs.length);
    const pointers = (to: readonly AddressList[]): AddressList => {
      const list = new AddressList(client, to.length);
      to.forEach(({ address }, i) => {
        list.set(i, address);
      });
      return list;
    };
    this.inputLists = pointers(this.inputs);
    this.outputLists = pointers(this.outputs);
    this.events = new AddressList(client, devices.length);
    const kept = program.inputs.flatMap((_, i) => (program.donated.includes(i) ? [] : [i]));
    this.nonDonatable = new AddressList(client, kept.length);
    this.numNonDonatable = kept.length;
    kept.forEach((index, i) => {
      this.nonDonatable.set(i, index);
    });
    const { memory, numOutputs } = this.described((executable) => ({
      memory: memoryOf(client, executable),
      numOutputs: client.api.call("Executable_NumOutputs", { executable }).numOutputs,
    }));
    this.memory = memory;
    if (numOutputs === program.outputs.length) return;
    this.free();
    refuse(
      program,
      "XLA_COMPILE_FAILED",
      `the text of a program gives what it says; it gives ${numOutputs} results, ${program.outputs.length} are expected. Report this.`,
    );
  }

  /** What the compiler reckons of a run (`flops`, `bytes accessed`, …); empty where it does not tell. */
  get costs(): ReadonlyMap<string, NamedValue> {
    return this.described((executable) => {
      try {
        const { api } = this.client;
        const { properties, numProperties } = api.call("Executable_GetCostAnalysis", { executable });
        return readNamedValues(api.native, properties, numProperties);
      } catch {
        return new Map();
      }
    });
  }

  /** The compiled program as bytes that this plugin loads again. @throws {PjrtFailure} where the plugin cannot */
  serialize(): Uint8Array {
    const { api } = this.client;
    return this.described((executable) => {
      const { bytes, bytesSize, owner, ownerDeleter } = api.call("Executable_Serialize", { executable });
      try {
        return new Uint8Array(api.native.read(bytes, bytesSize));
      } finally {
        if (ownerDeleter !== 0) api.native.callAt(ownerDeleter, "vp", owner);
      }
    });
  }

  async run(inputs: readonly DeviceArray[]): Promise<readonly DeviceArray[]> {
    const { client, program } = this;
    client.requireOpen();
    if (this.handle === 0)
      refuse(program, "PROGRAM_DISPOSED", "a program runs until it is disposed of. Compile it again.");
    const arrays = this.checked(inputs);
    const held: DeviceBuffer[] = [];
    const hold = (buffer: DeviceBuffer): Address => {
      const address = buffer.hold();
      held.push(buffer);
      return address;
    };
    try {
      const addresses = arrays.map((array) => array.on(this.devices).map(hold));
      return await client.inOrder(async () => {
        const results = await this.start(addresses);
        // What was donated is part of the results now.
        for (const index of program.donated) arrays[index]!.dispose();
        return results;
      });
    } finally {
      for (const buffer of held) buffer.release();
    }
  }

  async dispose(): Promise<void> {
    if (this.handle === 0) return;
    await this.client.inOrder(async () => this.free());
  }

  free(): void {
    if (this.handle === 0) return;
    const executable = this.handle;
    this.handle = 0;
    this.client.disown(this);
    this.client.api.call("LoadedExecutable_Destroy", { executable });
  }

  private checked(inputs: readonly DeviceArray[]): readonly PjrtArray[] {
    const { program, client } = this;
    if (inputs.length !== program.inputs.length) {
      refuse(
        program,
        "XLA_INPUTS",
        `takes ${program.inputs.length} arrays; got ${inputs.length}. Pass them all, in order.`,
      );
    }
    return inputs.map((input, i) => {
      const expected = program.inputs[i]!;
      if (!(input instanceof PjrtArray) || (input.client !== undefined && input.client !== client)) {
        refuse(program, "XLA_INPUTS", `takes arrays of its own engine; input ${i} is another's. Upload it here.`);
      }
      if (!sameType(input, expected)) {
        refuse(program, "XLA_INPUTS", `takes ${formatType(expected)} as input ${i}; got ${formatType(input)}.`);
      }
      const wanted = program.inputShardings[i] ?? "replicated";
      const isSame = wanted === "replicated" ? input.sharding === wanted : sameSharding(input.sharding, wanted.axis);
      if (!isSame && this.devices.length > 1) {
        const [has, needs] = [input.sharding, wanted].map((sharding) => JSON.stringify(sharding));
        refuse(program, "XLA_INPUTS", `takes input ${i} laid out as ${needs}; got ${has}. Upload it so.`);
      }
      return input;
    });
  }

  private async start(inputs: readonly (readonly Address[])[]): Promise<readonly DeviceArray[]> {
    const { client, program, devices } = this;
    inputs.forEach((parts, input) => {
      if (parts.length !== devices.length)
        refuse(program, "XLA_INPUTS", `input ${input} lies on ${parts.length} devices.`);
      parts.forEach((address, device) => {
        this.inputs[device]!.set(input, address);
      });
    });
    const options = nativeStruct(client.api.native, executeOptionsLayout, {
      nonDonatable: this.nonDonatable.address,
      numNonDonatable: this.numNonDonatable,
    });
    try {
      await client.api.callAsync(
        "LoadedExecutable_Execute",
        {
          executable: this.handle,
          options: options.address,
          argumentLists: this.inputLists.address,
          numDevices: devices.length,
          numArgs: program.inputs.length,
          outputLists: this.outputLists.address,
          deviceCompleteEvents: this.events.address,
        },
        options,
        this,
      );
    } catch (error) {
      const failure = memoryFailure(error, `the program ${program.name}${this.sizes()}`, () =>
        client.memory(devices[0]!),
      );
      throw failureOf(failure, "XLA_RUN_FAILED", `the program ${program.name} does not run`, "See the plugin's words.");
    }
    client.nowRunning(devices.map((_, i) => this.events.get(i)));
    return program.outputs.map((type, output) => {
      const parts = devices.map((device, i) => new DeviceBuffer(client, device, this.outputs[i]!.get(output)));
      return new PjrtArray(type, program.outputShardings[output] ?? "replicated", parts);
    });
  }

  private sizes(): string {
    if (this.memory === undefined) return "";
    const { argumentBytes, outputBytes, temporaryBytes } = this.memory;
    return ` (arguments ${argumentBytes}, results ${outputBytes}, temporary ${temporaryBytes} bytes)`;
  }

  /** Looks at the part of a loaded executable that describes it. */
  private described<T>(look: (executable: Address) => T): T {
    const { api } = this.client;
    const { executable } = api.call("LoadedExecutable_GetExecutable", { loadedExecutable: this.handle });
    try {
      return look(executable);
    } finally {
      api.call("Executable_Destroy", { executable });
    }
  }
}

function sameSharding(sharding: DeviceArray["sharding"], axis: number): boolean {
  return sharding !== "replicated" && sharding.axis === axis;
}
