/** @file Writes WebAssembly modules: typed functions, locals, loops, SIMD, exported globals, one imported shared memory. */

export const valueType = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;
export type WasmType = keyof typeof valueType;

/** Plain instructions used by the kernels. */
const plain = {
  "i32.eqz": 0x45,
  "i32.lt_u": 0x49,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "f64.add": 0xa0,
} as const;

/** SIMD instructions without immediates, by their number after the 0xfd prefix. */
const simd = {
  "i32x4.splat": 0x11,
  "f32x4.splat": 0x13,
  "i32x4.eq": 0x37,
  "i32x4.ne": 0x38,
  "i32x4.lt_s": 0x39,
  "i32x4.lt_u": 0x3a,
  "i32x4.gt_s": 0x3b,
  "i32x4.gt_u": 0x3c,
  "i32x4.le_s": 0x3d,
  "i32x4.le_u": 0x3e,
  "i32x4.ge_s": 0x3f,
  "i32x4.ge_u": 0x40,
  "f32x4.eq": 0x41,
  "f32x4.ne": 0x42,
  "f32x4.lt": 0x43,
  "f32x4.gt": 0x44,
  "f32x4.le": 0x45,
  "f32x4.ge": 0x46,
  "v128.not": 0x4d,
  "v128.and": 0x4e,
  "v128.or": 0x50,
  "v128.xor": 0x51,
  "v128.bitselect": 0x52,
  "f64x2.promote_low_f32x4": 0x5f,
  "i8x16.narrow_i16x8_u": 0x66,
  "f32x4.floor": 0x68,
  "i16x8.narrow_i32x4_s": 0x85,
  "i32x4.abs": 0xa0,
  "i32x4.neg": 0xa1,
  "i32x4.shl": 0xab,
  "i32x4.shr_u": 0xad,
  "i32x4.add": 0xae,
  "i32x4.sub": 0xb1,
  "i32x4.mul": 0xb5,
  "i32x4.min_s": 0xb6,
  "i32x4.min_u": 0xb7,
  "i32x4.max_s": 0xb8,
  "i32x4.max_u": 0xb9,
  "f32x4.abs": 0xe0,
  "f32x4.neg": 0xe1,
  "f32x4.sqrt": 0xe3,
  "f32x4.add": 0xe4,
  "f32x4.sub": 0xe5,
  "f32x4.mul": 0xe6,
  "f32x4.div": 0xe7,
  "f32x4.min": 0xe8,
  "f32x4.max": 0xe9,
  "f64x2.add": 0xf0,
  "i32x4.trunc_sat_f32x4_s": 0xf8,
  "i32x4.trunc_sat_f32x4_u": 0xf9,
  "f32x4.convert_i32x4_s": 0xfa,
  "f32x4.convert_i32x4_u": 0xfb,
} as const;

export type SimdOp = keyof typeof simd;
export type WasmOp = keyof typeof plain | SimdOp;

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

const text = (value: string): number[] => {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
};
const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, body: readonly number[]): number[] => [id, ...unsigned(body.length), ...body];

/** The body of one function; locals are numbered after the parameters. */
export class FunctionWriter {
  private readonly params: readonly WasmType[];
  private readonly locals: WasmType[] = [];
  private readonly code: number[] = [];

  constructor(params: readonly WasmType[]) {
    this.params = params;
  }

  /** A new zeroed local. */
  local(type: WasmType): number {
    this.locals.push(type);
    return this.params.length + this.locals.length - 1;
  }

  op(name: WasmOp): this {
    if (name in plain) this.code.push(plain[name as keyof typeof plain]);
    else this.code.push(0xfd, ...unsigned(simd[name as SimdOp]));
    return this;
  }

  get(local: number): this {
    this.code.push(0x20, ...unsigned(local));
    return this;
  }

  set(local: number): this {
    this.code.push(0x21, ...unsigned(local));
    return this;
  }

  setGlobal(global: number): this {
    this.code.push(0x24, ...unsigned(global));
    return this;
  }

  constI32(value: number): this {
    this.code.push(0x41, ...signed(value));
    return this;
  }

  /** A v128 constant of four 32-bit lanes. */
  constLanes(lanes: readonly [number, number, number, number]): this {
    this.code.push(0xfd, 0x0c, ...new Uint8Array(Uint32Array.from(lanes).buffer));
    return this;
  }

  /** Loads 16 bytes at the address on the stack plus `offset`. */
  load(offset: number): this {
    this.code.push(0xfd, 0x00, 4, ...unsigned(offset));
    return this;
  }

  /** Stores 16 bytes: stack is address, vector. */
  store(offset: number): this {
    this.code.push(0xfd, 0x0b, 4, ...unsigned(offset));
    return this;
  }

  /** Stores the first 4 bytes of a vector: stack is address, vector. */
  storeLane32(offset: number): this {
    this.code.push(0xfd, 0x5a, 2, ...unsigned(offset), 0);
    return this;
  }

  /** Moves the upper two 32-bit lanes of the vector in `local` down. */
  highHalf(local: number): this {
    const lanes = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];
    this.get(local)
      .get(local)
      .code.push(0xfd, 0x0d, ...lanes);
    return this;
  }

  extractF64(lane: 0 | 1): this {
    this.code.push(0xfd, 0x21, lane);
    return this;
  }

  /** Repeats a body while at least `step` elements remain in the i32 local `remaining`, then takes `step` off it. */
  loopWhileAtLeast(remaining: number, step: number, body: () => void): this {
    this.code.push(0x02, 0x40, 0x03, 0x40);
    this.get(remaining).constI32(step).op("i32.lt_u");
    this.code.push(0x0d, 1);
    body();
    this.get(remaining).constI32(step).op("i32.sub").set(remaining);
    this.code.push(0x0c, 0, 0x0b, 0x0b);
    return this;
  }

  /** Runs a body once if the i32 local is not zero. */
  ifNonZero(local: number, body: () => void): this {
    this.get(local).code.push(0x04, 0x40);
    body();
    this.code.push(0x0b);
    return this;
  }

  bytes(): number[] {
    const locals = vector(this.locals.map((type) => [1, valueType[type]]));
    const body = [...locals, ...this.code, 0x0b];
    return [...unsigned(body.length), ...body];
  }
}

/** What a kernel module holds. */
export interface ModuleParts {
  /** Name and parameters of the one exported function; it returns nothing. */
  readonly name: string;
  readonly params: readonly WasmType[];
  /** Exported mutable f64 globals, numbered in order. */
  readonly globals: readonly string[];
  readonly body: FunctionWriter;
}

/** The bytes of a module that imports a shared memory as `env.memory`. */
export function writeModule({ name, params, globals, body }: ModuleParts): Uint8Array<ArrayBuffer> {
  const type = [0x60, ...vector(params.map((param) => [valueType[param]])), 0];
  const sharedUpTo4GiB = [0x02, 0x03, ...unsigned(0), ...unsigned(65_536)];
  const zero = [valueType.f64, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b];
  const exported = [[...text(name), 0x00, 0], ...globals.map((global, i) => [...text(global), 0x03, ...unsigned(i)])];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([type])),
    ...section(2, vector([[...text("env"), ...text("memory"), ...sharedUpTo4GiB]])),
    ...section(3, vector([[0]])),
    ...section(6, vector(globals.map(() => zero))),
    ...section(7, vector(exported)),
    ...section(10, vector([body.bytes()])),
  ]);
}
