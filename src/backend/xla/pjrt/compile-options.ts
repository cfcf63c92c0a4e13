/**
 * @file What a plugin is told about a compilation: `xla.CompileOptionsProto`, in protocol-buffer bytes.
 * @source xla/pjrt/proto/compile_options.proto, xla/xla_data.proto (DeviceAssignmentProto)
 */

/** An option of the compiler, as `XLA_FLAGS` has them without the dashes. */
export type CompilerFlag = string | boolean | number;

export interface CompileSettings {
  /** Devices that share the work by SPMD partitioning. */
  readonly partitions: number;
  /** Their ids in the client. */
  readonly devices: readonly number[];
  /** Whether the text's shardings are those of Shardy (`sdy`), not of `mhlo.sharding`. */
  readonly usesShardy: boolean;
  readonly flags?: Readonly<Record<string, CompilerFlag>>;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

function varint(value: number | bigint): number[] {
  const bytes: number[] = [];
  // Negative numbers are written as their 64-bit two's complement.
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

const tag = (field: number, kind: number): number[] => varint((field << 3) | kind);
const number = (field: number, value: number): number[] => [...tag(field, VARINT), ...varint(value)];
const flag = (field: number, value: boolean): number[] => number(field, value ? 1 : 0);
const message = (field: number, content: readonly number[]): number[] => [
  ...tag(field, BYTES),
  ...varint(content.length),
  ...content,
];
const text = (field: number, value: string): number[] => message(field, [...new TextEncoder().encode(value)]);

function double(field: number, value: number): number[] {
  return [...tag(field, FIXED64), ...new Uint8Array(Float64Array.of(value).buffer)];
}

/** One replica; its parts are computations. */
function deviceAssignment(devices: readonly number[]): number[] {
  const computations = devices.flatMap((id) => message(3, number(1, id)));
  return [...number(1, 1), ...number(2, devices.length), ...computations];
}

function override(value: CompilerFlag): number[] {
  if (typeof value === "string") return text(1, value);
  if (typeof value === "boolean") return flag(2, value);
  return Number.isSafeInteger(value) ? number(3, value) : double(4, value);
}

/** The options of one compilation. */
export function encodeCompileOptions({ partitions, devices, usesShardy, flags = {} }: CompileSettings): Uint8Array {
  const build = [
    ...number(1, -1),
    ...number(4, 1),
    ...number(5, partitions),
    ...flag(6, partitions > 1),
    ...message(9, deviceAssignment(devices)),
    ...flag(19, usesShardy),
  ];
  const overrides = Object.entries(flags).flatMap(([name, value]) =>
    message(7, [...text(1, name), ...message(2, override(value))]),
  );
  return Uint8Array.from([...message(3, build), ...overrides]);
}
