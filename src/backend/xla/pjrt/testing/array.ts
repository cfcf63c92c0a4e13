/** @file Arrays of an imitated plugin: from the host, back, and between devices. */
import { memoryLayoutLayout } from "../api-table.ts";
import type { Address } from "../native.ts";
import { type FakeBuffer, type FakeMemory, type Handlers, Refusal, type Values } from "./memory.ts";

/** Bytes of an element by `PJRT_Buffer_Type`. */
const elementBytes: Readonly<Record<number, number>> = { 1: 1, 2: 1, 4: 4, 8: 4, 10: 2, 11: 4, 12: 8, 13: 2 };

export class FakeArrays {
  private readonly memory: FakeMemory;
  private readonly devices: readonly Address[];

  constructor(memory: FakeMemory, devices: readonly Address[]) {
    this.memory = memory;
    this.devices = devices;
  }

  handlers(): Handlers {
    const { memory } = this;
    return {
      Client_BufferFromHostBuffer: (given) => this.fromHost(given),
      Buffer_Destroy: ({ buffer }) => memory.drop("buffer", buffer),
      Buffer_CopyToDevice: ({ buffer, targetDevice }) => ({
        target: memory.add({ ...memory.get("buffer", buffer), device: targetDevice! }),
      }),
      Buffer_ToHostBuffer: (given) => this.toHost(given),
    };
  }

  private fromHost(given: Values): Readonly<Record<string, number>> {
    const { memory } = this;
    if (given.hostBufferSemantics !== 0) memory.problems.push("the data may change after the call");
    if (!this.devices.includes(given.device!)) memory.problems.push("an upload to no device");
    const dims = memory.int64s(given.dims, given.numDims);
    const numBytes = dims.reduce((a, b) => a * b, elementBytes[given.type!] ?? 0);
    const buffer: FakeBuffer = {
      kind: "buffer",
      type: given.type!,
      dims,
      bytes: new Uint8Array(memory.native.read(given.data!, numBytes)),
      device: given.device!,
      isDeleted: false,
    };
    return { buffer: memory.add(buffer), doneWithHostBuffer: memory.event() };
  }

  private toHost(given: Values): Readonly<Record<string, number>> {
    const { memory } = this;
    const { dims, bytes, isDeleted, poison } = memory.get("buffer", given.source);
    if (isDeleted) throw new Refusal("INVALID_ARGUMENT", "Buffer has been deleted or donated.");
    const layout = memory.struct(memoryLayoutLayout, given.hostLayout, "PJRT_Buffer_MemoryLayout");
    const order = memory.int64s(layout.minorToMajor, layout.minorToMajorSize);
    if (order.join() !== dims.map((_, i) => dims.length - 1 - i).join()) memory.problems.push(`order ${order}`);
    if (given.dataSize !== bytes.length) memory.problems.push(`room for ${given.dataSize} of ${bytes.length} bytes`);
    if (poison === undefined) memory.native.write(given.data!, bytes);
    return { event: memory.event(poison) };
  }
}
