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

/** A field and where it lies. */
interface FieldPlace {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
}

/** Where the fields of a struct lie. */
export interface StructLayout<F extends Fields = Fields> {
  readonly fields: F;
  readonly offsets: { readonly [K in keyof F]: number };
  /** The fields in order. */
  readonly places: readonly FieldPlace[];
  /** Up to the end of the last field: what `struct_size` says. */
  readonly bytes: number;
  /** From one struct to the next in an array. */
  readonly stride: number;
}

const roundUp = (bytes: number, multiple: number): number => Math.ceil(bytes / multiple) * multiple;

/** Lays fields out as C does on 64-bit machines. */
export function structLayout<const F extends Fields>(fields: F): StructLayout<F> {
  const offsets: Record<string, number> = {};
  const places: FieldPlace[] = [];
  let end = HEADER_BYTES;
  for (const [name, type] of Object.entries(fields)) {
    const offset = roundUp(end, typeBytes[type]);
    offsets[name] = offset;
    places.push({ name, type, offset });
    end = offset + typeBytes[type];
  }
  return { fields, offsets: offsets as StructLayout<F>["offsets"], places, bytes: end, stride: roundUp(end, 8) };
}

const WORD = 2 ** 32;

/** Writes a safe integer as 64 bits; BigInts would have to be allocated. */
function writeInteger(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / WORD);
  view.setUint32(at, value - high * WORD, true);
  view.setInt32(at + 4, high, true);
}

function writeField(view: DataView, at: number, type: FieldType, value: number | boolean): void {
  if (type === "pointer" || type === "size" || type === "i64") writeInteger(view, at, Number(value));
  else if (type === "i32") view.setInt32(at, Number(value), true);
  else if (type === "f32") view.setFloat32(at, Number(value), true);
  else view.setUint8(at, Number(value));
}

function readField(view: DataView, at: number, type: FieldType): number | boolean {
  switch (type) {
    case "pointer":
    case "size":
      return view.getUint32(at + 4, true) * WORD + view.getUint32(at, true);
    case "i64":
      return view.getInt32(at + 4, true) * WORD + view.getUint32(at, true);
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
  writeInteger(view, at, structBytes);
  for (const [name, value] of Object.entries(values)) {
    const type = layout.fields[name];
    const offset = layout.offsets[name];
    if (type === undefined || offset === undefined) throw new RangeError(`writeStruct: there is no field ${name}`);
    if (value !== undefined) writeField(view, at + offset, type, value as number | boolean);
  }
}

export function readStruct<F extends Fields>(layout: StructLayout<F>, view: DataView, at = 0): FieldValues<F> {
  const values: Record<string, number | boolean> = {};
  for (const { name, type, offset } of layout.places) values[name] = readField(view, at + offset, type);
  return values as FieldValues<F>;
}
