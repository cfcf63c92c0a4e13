/** @file Keys and values of all layers for rows of growing length, in the engine's memory. */
import type { Backend, Buffer } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import type { DType } from "../ir/dtype.ts";
import { tensorType } from "../ir/shape.ts";

/** What keys and values look like. Dims: L layers, N heads, D head size. */
export interface CacheLayout {
  readonly dtype: DType;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly headSize: number;
}

/**
 * Where a row began. Rows of one origin hold the same first tokens, so that these are not moved between them.
 */
interface Origin {
  readonly length: number;
}

/** New keys and values, for each layer the keys, then the values: `[R, N, W, D]`. */
export type FreshBuffers = readonly Buffer[];

/**
 * Keys and values of R rows with room for C tokens each: for each layer one tensor of keys and one of values `[R, N, C, D]`,
 * so that a head's keys lie one after the other, as a product with a query reads them.
 */
export class KeyValueCache {
  readonly layout: CacheLayout;
  private readonly backend: Backend;
  /** For each layer the keys, then the values. */
  private tensors: Buffer[] = [];
  private spare: Buffer | undefined;
  private rows = 0;
  private room = 0;
  private lengthOf: number[] = [];
  private origins: Origin[] = [];

  constructor(backend: Backend, layout: CacheLayout) {
    this.backend = backend;
    this.layout = layout;
  }

  /** For each layer the keys, then the values. */
  get buffers(): readonly Buffer[] {
    return this.tensors;
  }

  get numRows(): number {
    return this.rows;
  }

  /** Tokens that a row has room for. */
  get capacity(): number {
    return this.room;
  }

  /** Tokens of each row. */
  get lengths(): readonly number[] {
    return this.lengthOf;
  }

  /** Makes room; what is there is kept. */
  resize(rows: number, capacity: number): void {
    if (rows === this.rows && capacity === this.room) return;
    const { dtype, numLayers, numHeads, headSize } = this.layout;
    const shape = [rows, numHeads, capacity, headSize];
    const old = this.tensors;
    const kept = Math.min(rows, this.rows);
    this.tensors = Array.from({ length: 2 * numLayers }, () => this.backend.allocate(tensorType(dtype, shape)));
    this.tensors.forEach((target, i) => {
      for (let row = 0; row < kept; row++) {
        const length = this.lengthOf[row]! * headSize;
        const [fromStride, toStride] = [this.room * headSize, capacity * headSize];
        const [from, to] = [row * numHeads * fromStride, row * numHeads * toStride];
        target.copyFrom(old[i]!, { from, to, length, count: numHeads, fromStride, toStride });
      }
    });
    for (const buffer of old) buffer.dispose();
    this.spare?.dispose();
    this.spare = undefined;
    this.lengthOf = Array.from({ length: rows }, (_, row) => this.lengthOf[row] ?? 0);
    this.origins = Array.from({ length: rows }, (_, row) => this.origins[row] ?? { length: 0 });
    this.rows = rows;
    this.room = capacity;
  }

  /**
   * Adds the first of the new tokens to each row.
   * @param counts how many of them, for each row
   */
  append(fresh: FreshBuffers, counts: readonly number[]): void {
    const { numHeads, headSize } = this.layout;
    const width = fresh[0]!.shape[2]!;
    const [fromStride, toStride] = [width * headSize, this.room * headSize];
    counts.forEach((count, row) => {
      const start = this.lengthOf[row]!;
      if (start + count > this.room) throw internalError("a cache has no room for new tokens");
      const from = row * numHeads * fromStride;
      const to = row * numHeads * toStride + start * headSize;
      const runs = { from, to, length: count * headSize, count: numHeads, fromStride, toStride };
      for (const [i, buffer] of this.tensors.entries()) buffer.copyFrom(fresh[i]!, runs);
      this.lengthOf[row] = start + count;
      if (start === 0) this.origins[row] = { length: count };
    });
  }

  /** Row r becomes what row `parents[r]` is, for the rows that `parents` names. */
  select(parents: readonly number[]): void {
    const { numHeads, headSize } = this.layout;
    const { lengthOf, origins } = this;
    const stride = this.room * headSize;
    const moves = rowMoves(parents).map(({ from, to }) => {
      // Rows of one origin hold the same first tokens already; what is set aside is set aside whole.
      const source = from === ASIDE ? undefined : from;
      const isShared = source !== undefined && to !== ASIDE && origins[source] === origins[to];
      return { from, to, start: isShared ? origins[to]!.length : 0 };
    });
    if (moves.some(({ to }) => to === ASIDE)) {
      const shape = [1, numHeads, this.room, headSize];
      this.spare ??= this.backend.allocate(tensorType(this.layout.dtype, shape));
    }
    const lengthIn = moves.map(({ from, to }) => lengthOf[from === ASIDE ? parents[to]! : from]!);
    for (const buffer of this.tensors) {
      for (const [i, { from, to, start }] of moves.entries()) {
        const [source, target] = [from === ASIDE ? this.spare! : buffer, to === ASIDE ? this.spare! : buffer];
        const at = (row: number) => (row === ASIDE ? 0 : row) * numHeads * stride + start * headSize;
        const length = (lengthIn[i]! - start) * headSize;
        const runs = { from: at(from), to: at(to), length, count: numHeads, fromStride: stride, toStride: stride };
        target.copyFrom(source, runs);
      }
    }
    this.lengthOf = lengthOf.map((length, row) => (parents[row] === undefined ? length : lengthOf[parents[row]!]!));
    this.origins = origins.map((origin, row) => (parents[row] === undefined ? origin : origins[parents[row]!]!));
  }

  dispose(): void {
    for (const buffer of this.tensors) buffer.dispose();
    this.spare?.dispose();
    this.tensors = [];
  }
}

/** Stands for the row that is set aside. */
const ASIDE = -1;

interface RowMove {
  readonly from: number;
  readonly to: number;
}

/** Moves by which every row r becomes what row `parents[r]` was, in an order in which nothing is lost. */
export function rowMoves(parents: readonly number[]): RowMove[] {
  const open = new Map<number, number>();
  parents.forEach((parent, row) => {
    if (parent !== row) open.set(row, parent);
  });
  const readers = new Map<number, number>();
  for (const parent of open.values()) readers.set(parent, (readers.get(parent) ?? 0) + 1);
  const moves: RowMove[] = [];
  const ready = [...open.keys()].filter((row) => !readers.has(row));
  while (open.size > 0) {
    const row = ready.pop();
    if (row === undefined) {
      // Only rings are left, in which every row is read once: one row is set aside, so that it may be written.
      const ring = [...open.keys()][0]!;
      moves.push({ from: ring, to: ASIDE });
      for (const [target, parent] of open) if (parent === ring) open.set(target, ASIDE);
      ready.push(ring);
      continue;
    }
    const parent = open.get(row)!;
    moves.push({ from: parent, to: row });
    open.delete(row);
    if (parent === ASIDE) continue;
    const left = readers.get(parent)! - 1;
    readers.set(parent, left);
    if (left === 0 && open.has(parent)) ready.push(parent);
  }
  return moves;
}
