import type { Address } from "./function-table.ts";
import type { System } from "./library.ts";

const MAX_NUMBERS = 64;

/** Lists of numbers in native memory, valid until the next call with the same slot; the library copies them. */
export class NumberList {
  private readonly system: System;
  private readonly slots: readonly { readonly data: BigInt64Array<ArrayBuffer>; readonly address: Address }[];
  private floats = new Float32Array(new ArrayBuffer(4 * MAX_NUMBERS));

  constructor(system: System) {
    this.system = system;
    this.slots = [0, 1].map(() => {
      const buffer = new ArrayBuffer(8 * MAX_NUMBERS);
      return { data: new BigInt64Array(buffer), address: system.addressOf(buffer) };
    });
  }

  int64(slot: 0 | 1, values: readonly number[]): Address {
    const { data, address } = this.slots[slot]!;
    values.forEach((value, i) => {
      data[i] = BigInt(value);
    });
    return address;
  }

  float32(values: readonly number[]): Address {
    if (values.length > this.floats.length) this.floats = new Float32Array(new ArrayBuffer(4 * values.length));
    this.floats.set(values);
    return this.system.addressOf(this.floats.buffer);
  }
}
