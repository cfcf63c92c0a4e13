/** Element types as safetensors files spell them, and the typed array that holds the same bits in memory. */
export interface ArrayOfDtype {
  readonly F64: Float64Array;
  readonly F32: Float32Array;
  /** IEEE half precision, as bit patterns. */
  readonly F16: Uint16Array;
  /** The upper half of a float32, as bit patterns. */
  readonly BF16: Uint16Array;
  readonly I64: BigInt64Array;
  readonly I32: Int32Array;
  readonly I16: Int16Array;
  readonly I8: Int8Array;
  readonly U64: BigUint64Array;
  readonly U32: Uint32Array;
  readonly U16: Uint16Array;
  readonly U8: Uint8Array;
  /** One byte each, 0 or 1. */
  readonly BOOL: Uint8Array;
}

/** An element type that a weights file may have. */
export type StoredDtype = keyof ArrayOfDtype;

/** Any typed array that can hold a tensor's elements. */
export type HostArray = ArrayOfDtype[StoredDtype];

/** A tensor in host memory, row-major; the type of `data` follows from `dtype`. */
export type HostTensor<D extends StoredDtype = StoredDtype> = {
  [K in D]: { readonly dtype: K; readonly shape: readonly number[]; readonly data: ArrayOfDtype[K] };
}[D];

interface DtypeFacts<D extends StoredDtype> {
  /** Bytes an element. */
  readonly size: number;
  /** Position in the order that the reference implementation gives to types: files list higher ranks first. */
  readonly rank: number;
  /** A typed array over the first `length` elements of a buffer. */
  view(buffer: ArrayBuffer, length: number): ArrayOfDtype[D];
  holds(data: HostArray): boolean;
}

/** Everything that depends on the element type, one row each. */
export const storedDtypes: { readonly [D in StoredDtype]: DtypeFacts<D> } = {
  BOOL: { size: 1, rank: 0, view: (b, n) => new Uint8Array(b, 0, n), holds: (d) => d instanceof Uint8Array },
  U8: { size: 1, rank: 1, view: (b, n) => new Uint8Array(b, 0, n), holds: (d) => d instanceof Uint8Array },
  I8: { size: 1, rank: 2, view: (b, n) => new Int8Array(b, 0, n), holds: (d) => d instanceof Int8Array },
  I16: { size: 2, rank: 3, view: (b, n) => new Int16Array(b, 0, n), holds: (d) => d instanceof Int16Array },
  U16: { size: 2, rank: 4, view: (b, n) => new Uint16Array(b, 0, n), holds: (d) => d instanceof Uint16Array },
  F16: { size: 2, rank: 5, view: (b, n) => new Uint16Array(b, 0, n), holds: (d) => d instanceof Uint16Array },
  BF16: { size: 2, rank: 6, view: (b, n) => new Uint16Array(b, 0, n), holds: (d) => d instanceof Uint16Array },
  I32: { size: 4, rank: 7, view: (b, n) => new Int32Array(b, 0, n), holds: (d) => d instanceof Int32Array },
  U32: { size: 4, rank: 8, view: (b, n) => new Uint32Array(b, 0, n), holds: (d) => d instanceof Uint32Array },
  F32: { size: 4, rank: 9, view: (b, n) => new Float32Array(b, 0, n), holds: (d) => d instanceof Float32Array },
  F64: { size: 8, rank: 10, view: (b, n) => new Float64Array(b, 0, n), holds: (d) => d instanceof Float64Array },
  I64: { size: 8, rank: 11, view: (b, n) => new BigInt64Array(b, 0, n), holds: (d) => d instanceof BigInt64Array },
  U64: { size: 8, rank: 12, view: (b, n) => new BigUint64Array(b, 0, n), holds: (d) => d instanceof BigUint64Array },
};

/** Whether a name is an element type that Firth can read. */
export function isStoredDtype(name: unknown): name is StoredDtype {
  return typeof name === "string" && Object.hasOwn(storedDtypes, name);
}

/** Number of elements of a shape (1 for a scalar). */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A dtype and shape as messages show them, e.g. `F32[8,128]`. */
export function describeTensor(dtype: string, shape: readonly number[]): string {
  return `${dtype}[${shape.join(",")}]`;
}
