/** @file Names with values, as plugins take and give them. */
import { namedValueLayout } from "./api-table.ts";
import type { Address, Native } from "./native.ts";
import { readStruct, writeStruct } from "./struct.ts";

/** A value of a plugin's option or attribute: numbers are int64, lists are of int64. */
export type NamedValue = string | boolean | number | readonly number[] | { readonly float: number };

/** Options of a plugin's client, by name. */
export type CreateOptions = Readonly<Record<string, NamedValue>>;

const KIND = { string: 0, int64: 1, int64List: 2, float: 3, bool: 4 } as const;

/** Options in native memory; the buffers must stay referenced. */
export interface NativeOptions {
  readonly address: Address;
  readonly count: number;
  readonly buffers: readonly ArrayBufferLike[];
}

/** @throws {RangeError} for a number that is no safe integer and not marked as float */
export function writeNamedValues(native: Native, options: CreateOptions): NativeOptions {
  const entries = Object.entries(options);
  const { stride, offsets } = namedValueLayout;
  const view = new DataView(new ArrayBuffer(Math.max(1, stride * entries.length)));
  const buffers: ArrayBufferLike[] = [view.buffer];
  const place = (bytes: Uint8Array | BigInt64Array): Address => {
    const buffer = bytes.slice().buffer;
    buffers.push(buffer);
    return native.addressOf(buffer);
  };
  entries.forEach(([name, given], i) => {
    const at = i * stride;
    const text = new TextEncoder().encode(name);
    const common = { name: place(text), nameSize: text.length };
    if (typeof given === "string") {
      const bytes = new TextEncoder().encode(given);
      const value = place(bytes);
      writeStruct(namedValueLayout, { ...common, type: KIND.string, value, valueSize: bytes.length }, view, at);
    } else if (typeof given === "boolean") {
      writeStruct(namedValueLayout, { ...common, type: KIND.bool, value: Number(given), valueSize: 1 }, view, at);
    } else if (typeof given === "number") {
      if (!Number.isSafeInteger(given)) throw new RangeError(`option ${name}: ${given} is no whole number`);
      writeStruct(namedValueLayout, { ...common, type: KIND.int64, value: given, valueSize: 1 }, view, at);
    } else if ("float" in given) {
      writeStruct(namedValueLayout, { ...common, type: KIND.float, valueSize: 1 }, view, at);
      view.setFloat32(at + offsets.value, given.float, true);
    } else {
      const value = place(BigInt64Array.from(given, BigInt));
      writeStruct(namedValueLayout, { ...common, type: KIND.int64List, value, valueSize: given.length }, view, at);
    }
  });
  return { address: entries.length === 0 ? 0 : native.addressOf(view.buffer), count: entries.length, buffers };
}

/** Reads a plugin's list; a kind of value that is not known is left out. */
export function readNamedValues(native: Native, address: Address, count: number): Map<string, NamedValue> {
  const found = new Map<string, NamedValue>();
  const { stride, offsets } = namedValueLayout;
  const view = new DataView(native.read(address, stride * count));
  for (let i = 0; i < count; i++) {
    const { name, nameSize, type, value, valueSize } = readStruct(namedValueLayout, view, i * stride);
    const read = (): NamedValue | undefined => {
      switch (type) {
        case KIND.string:
          return native.readText(value, valueSize);
        case KIND.int64:
          return value;
        case KIND.int64List:
          return Array.from(new BigInt64Array(native.read(value, 8 * valueSize)), Number);
        case KIND.float:
          return { float: view.getFloat32(i * stride + offsets.value, true) };
        case KIND.bool:
          return view.getUint8(i * stride + offsets.value) !== 0;
        default:
          return undefined;
      }
    };
    const known = read();
    if (known !== undefined) found.set(native.readText(name, nameSize), known);
  }
  return found;
}
