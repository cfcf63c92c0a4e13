import { elementCount, type HostArray, type StoredDtype, storedDtypes } from "./stored-dtype.ts";

/** Elements of a storage that lie apart: where the first is, sizes, and steps between neighbours along each axis. */
export interface StridedView {
  readonly dtype: StoredDtype;
  /** In elements from the begin of the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Strides of a row-major tensor. */
function rowMajor(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** Elements from the first to the last, those between included. */
function spanOf(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 1);
}

/** Spans up to this many elements are read whole, though not all of them are wanted. */
const wholeSpan = 1 << 22;

/**
 * Reads a view row by row into memory of its own, row-major.
 *
 * Parts that lie closely are read in one go; of a view that leaves out most of its storage only what is wanted, nearly.
 * @param read fills bytes from a byte position of the storage
 */
export async function readStrided(
  view: StridedView,
  read: (bytes: Uint8Array, position: number) => Promise<void>,
): Promise<HostArray> {
  const { dtype, shape, strides } = view;
  const { size } = storedDtypes[dtype];
  const count = elementCount(shape);
  const result = storedDtypes[dtype].view(new ArrayBuffer(count * size), count);
  if (count === 0) return result;
  const targets = rowMajor(shape);
  // Axes of size 1 may have any stride.
  if (shape.every((length, axis) => length === 1 || strides[axis] === targets[axis])) {
    await read(new Uint8Array(result.buffer), view.offset * size);
    return result;
  }
  const fill = async (part: readonly number[], from: number, to: number): Promise<void> => {
    const span = spanOf(part, strides);
    if (span > Math.max(wholeSpan, 2 * elementCount(part))) {
      // Cut the axis that reaches farthest in two.
      const reach = part.map((length, axis) => (length - 1) * strides[axis]!);
      const axis = reach.indexOf(Math.max(...reach));
      const half = part[axis]! >> 1;
      await fill(part.with(axis, half), from, to);
      await fill(part.with(axis, part[axis]! - half), from + half * strides[axis]!, to + half * targets[axis]!);
      return;
    }
    const bytes = new ArrayBuffer(span * size);
    await read(new Uint8Array(bytes), from * size);
    gather(storedDtypes[dtype].view(bytes, span), { shape: part, strides }, result, targets, to);
  };
  await fill(shape, view.offset, 0);
  return result;
}

/** Elements as bit patterns, which no copy changes. */
function patternsOf(array: HostArray): Uint8Array | Uint16Array | Uint32Array | BigUint64Array {
  const { buffer, length, BYTES_PER_ELEMENT } = array;
  if (BYTES_PER_ELEMENT === 1) return new Uint8Array(buffer, 0, length);
  if (BYTES_PER_ELEMENT === 2) return new Uint16Array(buffer, 0, length);
  return BYTES_PER_ELEMENT === 4 ? new Uint32Array(buffer, 0, length) : new BigUint64Array(buffer, 0, length);
}

/** Copies the elements of a view that begins at 0 to their places in a row-major tensor of at least one axis. */
function gather(
  source: HostArray,
  { shape, strides }: Pick<StridedView, "shape" | "strides">,
  target: HostArray,
  targets: readonly number[],
  begin: number,
): void {
  // The same kind of array on both sides, whichever it is.
  const [from, to] = [patternsOf(source) as Uint32Array, patternsOf(target) as Uint32Array];
  const copy = (axis: number, read: number, write: number): void => {
    const [length, step, stride] = [shape[axis]!, strides[axis]!, targets[axis]!];
    if (axis === shape.length - 1) {
      for (let i = 0; i < length; i++) to[write + i * stride] = from[read + i * step]!;
    } else for (let i = 0; i < length; i++) copy(axis + 1, read + i * step, write + i * stride);
  };
  copy(0, 0, begin);
}
