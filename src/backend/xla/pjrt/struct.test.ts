import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as tables from "./api-table.ts";
import { readStruct, type StructLayout, structLayout, writeStruct } from "./struct.ts";

interface Golden {
  readonly source: string;
  readonly structs: Readonly<Record<string, { readonly size: number; readonly offsets: readonly number[] }>>;
  readonly functions: readonly string[];
}

/** What a C compiler makes of the header (`tools/golden/pjrt-layout.py`). */
const golden = JSON.parse(
  readFileSync(new URL("../../../../tests/fixtures/xla/pjrt-layout.json", import.meta.url), "utf8"),
) as Golden;

const others: Readonly<Record<string, StructLayout>> = {
  PJRT_NamedValue: tables.namedValueLayout,
  PJRT_Program: tables.programLayout,
  PJRT_ExecuteOptions: tables.executeOptionsLayout,
  PJRT_KeyValueGetCallback_Args: tables.keyValueGetLayout,
  PJRT_KeyValueTryGetCallback_Args: tables.keyValueTryGetLayout,
  PJRT_KeyValuePutCallback_Args: tables.keyValuePutLayout,
};

describe("struct layouts", () => {
  const layouts = [
    ...Object.entries(tables.argumentLayouts).map(([name, layout]) => [`PJRT_${name}_Args`, layout] as const),
    ...Object.entries(others),
  ] as readonly (readonly [string, StructLayout])[];

  // Catches a field that was left out, has another type, or stands elsewhere: the plugin would read another's bytes.
  it.each(layouts)("%s is as C has it", (name, layout) => {
    const expected = golden.structs[name]!;
    expect(layout.bytes).toBe(expected.size);
    expect(Object.values(layout.offsets)).toEqual(expected.offsets);
  });

  it("have functions in the order of the table", () => {
    const { functionOrder } = tables;
    expect(functionOrder).toEqual(golden.functions.slice(0, functionOrder.length).map((name) => name.slice(5)));
  });

  it("write and read every type, with small ones packed as C does", () => {
    const layout = structLayout({ a: "bool", b: "i32", c: "bool", d: "bool", e: "f32", f: "i64", g: "size" });
    expect(layout.offsets).toEqual({ a: 16, b: 20, c: 24, d: 25, e: 28, f: 32, g: 40 });
    const view = new DataView(new ArrayBuffer(layout.stride));
    const values = { a: true, b: -5, c: false, d: true, e: 0.5, f: -(2 ** 52), g: 2 ** 47 };
    writeStruct(layout, values, view);
    expect(view.getBigUint64(0, true)).toBe(48n);
    expect(readStruct(layout, view)).toEqual(values);
  });

  // Catches halves of 64 bits that are put together with the wrong sign, or a carry that is lost between them.
  it.each([
    0,
    1,
    -1,
    -5,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    -(2 ** 32),
    -(2 ** 32) - 1,
    2 ** 47 + 16,
    2 ** 53 - 1,
    1 - 2 ** 53,
  ])("%i has the bits that C gives it", (value) => {
    const layout = structLayout({ a: "i64", b: "pointer", c: "size" });
    const view = new DataView(new ArrayBuffer(layout.stride));
    const address = Math.abs(value);
    writeStruct(layout, { a: value, b: address, c: address }, view);
    expect(view.getBigInt64(16, true)).toBe(BigInt(value));
    expect(view.getBigUint64(24, true)).toBe(BigInt(address));
    expect(readStruct(layout, view)).toEqual({ a: value, b: address, c: address });
  });
});
