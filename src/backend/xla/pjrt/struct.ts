/** @file C structs as tables of their fields: where each lies follows from the types, so it is written nowhere. */

/** Types of fields; a word of a union is read and written by its owner. */
export type FieldType = "pointer" | "size" | "i64" | "i32" | "f32" | "bool";

/** Fields after the two that every struct begins with, in order. */
export type Fields = Readonly<Record<string, FieldType>>;

/** A struct's fields as JavaScript has them: whole numbers must be safe integers. */
export type FieldValues<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends "bool" ? boolean : "bool" extends F[K] ? number | boolean : number;
};

const typeBytes: Readonly<Record<FieldType, number>> = { pointer: 8, size: 8, i64: 8, i32: 4, f32: 4, bool: 1 };

/** `struct_size` and `extension_start`. */
export const HEADER_BYTES = 16;

/** Where the fields of a struct lie. */
export interface StructLayout<F extends Fields = Fields> {
  readonly fields: F;
  readonly offsets: { readonly [K in keyof F]: number };
  /** Up to the end of the last field: what `struct_size` says. */
  readonly bytes: number;
  /** From one struct to the next in an array. */
  readonly stride: number;
}

const roundUp = (bytes: number, multiple: number): number => Math.ceil(bytes / multiple) * multiple;

/** Lays fields out as C does on 64-bit machines. */
export function structLayout<const F extends Fields>(fields: F): StructLayout<F> {
  const offsets: Record<string, number> = {};
  let end = HEADER_BYTES;
  for (const [name, type] of Object.entries(fields)) {
    const offset = roundUp(end, typeBytes[type]);
    offsets[name] = offset;
    end = offset + typeBytes[type];
  }
  return { fields, offsets: offsets as StructLayout<F>["offsets"], bytes: end, stride: roundUp(end, 8) };
}

function writeField(view: DataView, at: number, type: FieldType, value: number | boolean): void {
  if (type === "pointer" || type === "size") view.setBigUint64(at, BigInt(value), true);
  else if (type === "i64") view.setBigInt64(at, BigInt(value), true);
  else if (type === "i32") view.setInt32(at, Number(value), true);
  else if (type === "f32") view.setFloat32(at, Number(value), true);
  else view.setUint8(at, Number(value));
}

function readField(view: DataView, at: number, type: FieldType): number | boolean {
  switch (type) {
    case "pointer":
    case "size":
      return Number(view.getBigUint64(at, true));
    case "i64":
      return Number(view.getBigInt64(at, true));
    case "i32":
      return view.getInt32(at, true);
    case "f32":
      return view.getFloat32(at, true);
    case "bool":
      return view.getUint8(at) !== 0;
  }
}

/**
 * Writes a struct; fields that are left out are zero.
 * @param structBytes what `struct_size` says
 */
export function writeStruct<F extends Fields>(
  layout: StructLayout<F>,
  values: Partial<FieldValues<F>>,
  view: DataView,
  at = 0,
  structBytes = layout.bytes,
): void {
  view.setBigUint64(at, BigInt(structBytes), true);
  for (const [name, value] of Object.entries(values)) {
    const type = layout.fields[name];
    const offset = layout.offsets[name];
    if (type === undefined || offset === undefined) throw new RangeError(`writeStruct: there is no field ${name}`);
    if (value !== undefined) writeField(view, at + offset, type, value as number | boolean);
  }
}

export function readStruct<F extends Fields>(layout: StructLayout<F>, view: DataView, at = 0): FieldValues<F> {
  const entries = Object.entries(layout.fields).map(([name, type]) => [
    name,
    readField(view, at + layout.offsets[name as keyof F], type),
  ]);
  return Object.fromEntries(entries) as FieldValues<F>;
}
