/** @file Programs of an imitated plugin: lines of words that are compiled, kept, loaded and run. */
import { executeOptionsLayout, programLayout } from "../api-table.ts";
import type { Address, Callback } from "../native.ts";
import { type FakeBuffer, type FakeMemory, type FakeProgram, type Handlers, Refusal, type Values } from "./memory.ts";

export class FakeCompiler {
  /** What the last program was compiled with. */
  compileOptions = new Uint8Array();
  /** Indices that the last run was told not to donate. */
  nonDonatable: readonly number[] = [];
  private readonly memory: FakeMemory;
  private readonly devices: readonly Address[];
  /** Frees what a program was written down in. */
  private readonly deleter: Callback;

  constructor(memory: FakeMemory, devices: readonly Address[]) {
    this.memory = memory;
    this.devices = devices;
    this.deleter = memory.native.callback("vp", (thing) => memory.drop("serialized", thing));
  }

  release(): void {
    this.deleter.release();
  }

  handlers(): Handlers {
    const { memory } = this;
    return {
      Client_Compile: (given) => this.compile(given),
      LoadedExecutable_Destroy: ({ executable }) => memory.drop("loaded", executable),
      LoadedExecutable_GetExecutable: ({ loadedExecutable }) => ({
        executable: memory.add({ ...memory.get("loaded", loadedExecutable), kind: "executable" }),
      }),
      Executable_Destroy: ({ executable }) => memory.drop("executable", executable),
      Executable_NumOutputs: ({ executable }) => ({
        numOutputs: Number(/results (\d)/.exec(memory.get("executable", executable).text)?.[1] ?? 1),
      }),
      Executable_GetCompiledMemoryStats: ({ executable }) => {
        memory.get("executable", executable);
        return { codeBytes: 1, argumentBytes: 2, outputBytes: 3, aliasBytes: 4, temporaryBytes: 5 };
      },
      Executable_Serialize: ({ executable }) => {
        const { text, partitions } = memory.get("executable", executable);
        const { address, size } = memory.text(JSON.stringify({ text, partitions }));
        const owner = memory.add({ kind: "serialized", text, partitions });
        return { bytes: address, bytesSize: size, owner, ownerDeleter: this.deleter.address };
      },
      Executable_DeserializeAndLoad: (given) => {
        const words = memory.native.readText(given.bytes!, given.bytesSize!);
        const stored = JSON.parse(words) as FakeProgram<"serialized">;
        return { loadedExecutable: memory.add({ ...stored, kind: "loaded" }) };
      },
      LoadedExecutable_Execute: (given) => this.execute(given),
    };
  }

  private compile(given: Values): Readonly<Record<string, number>> {
    const { memory } = this;
    const program = memory.struct(programLayout, given.program, "PJRT_Program");
    const format = memory.native.readText(program.format!, program.formatSize!);
    if (format !== "mlir") memory.problems.push(`the format is ${format}`);
    const text = memory.native.readText(program.code!, program.codeSize!);
    if (text.includes("nonsense")) throw new Refusal("INVALID_ARGUMENT", `expected operation name at "${text}"`);
    this.compileOptions = new Uint8Array(memory.native.read(given.options!, given.optionsSize!));
    const partitions = Number(/devices (\d)/.exec(text)?.[1] ?? 1);
    return { executable: memory.add({ kind: "loaded", text, partitions }) };
  }

  private execute(given: Values): undefined {
    const { memory } = this;
    const { native } = memory;
    const { text, partitions } = memory.get("loaded", given.executable);
    const options = memory.struct(executeOptionsLayout, given.options, "PJRT_ExecuteOptions");
    this.nonDonatable = memory.int64s(options.nonDonatable, options.numNonDonatable);
    if (given.numDevices !== partitions) {
      memory.problems.push(`${given.numDevices} devices for ${partitions} partitions`);
    }
    const donated = [...text.matchAll(/donate (\d)/g)].map(([, index]) => Number(index));
    const inputLists = native.readAddresses(given.argumentLists!, partitions);
    const outputLists = native.readAddresses(given.outputLists!, partitions);
    const events = inputLists.map((list, device): Address => {
      const inputs = native.readAddresses(list, given.numArgs!).map((address) => memory.get("buffer", address));
      const output = this.runOn(this.devices[device]!, text, inputs);
      const outputs = BigUint64Array.from([BigInt(memory.add(output))]);
      native.write(outputLists[device]!, new Uint8Array(outputs.buffer));
      for (const index of donated) if (!this.nonDonatable.includes(index)) inputs[index]!.isDeleted = true;
      return memory.event();
    });
    native.write(given.deviceCompleteEvents!, new Uint8Array(BigUint64Array.from(events, BigInt).buffer));
    return undefined;
  }

  private runOn(device: Address, text: string, inputs: readonly FakeBuffer[]): FakeBuffer {
    for (const { isDeleted } of inputs) {
      if (isDeleted) throw new Refusal("INVALID_ARGUMENT", "Buffer has been deleted or donated.");
    }
    if (inputs.some((input) => input.device !== device)) this.memory.problems.push("an input elsewhere");
    const values = inputs.map(({ bytes }) => new Float32Array(bytes.slice().buffer));
    const failing = /fail (.*)/.exec(text)?.[1];
    const result = values[0]!.map((x, i) => (text.includes("negate") ? -x : x + (values[1]?.[i] ?? 0)));
    const { type, dims } = inputs[0]!;
    return {
      kind: "buffer",
      ...{ type, dims, device },
      bytes: new Uint8Array(result.buffer),
      isDeleted: false,
      ...(failing === undefined ? {} : { poison: new Refusal("INTERNAL", failing) }),
    };
  }
}
