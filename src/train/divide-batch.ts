/** @file Cuts a batch by rows into parts that are computed at the same time. */
import { BackendError } from "../base/errors.ts";
import type { Batch, BatchList } from "../data/batch.ts";
import { allocateHostData, type HostTensor } from "../ir/dtype.ts";
import { sizeOf } from "../ir/shape.ts";

/** In a part: for each entry of a list its number in the list of the undivided batch. */
export const itemTensor = (list: string): string => `laneItems.${list}`;

function unsupported(what: string): BackendError {
  return new BackendError(`${what}, so a batch cannot be divided by rows. Set train.lanes: 1.`, {
    code: "LANES_UNSUPPORTED",
    path: "train.lanes",
  });
}

/** The tensors of rows, with their number and width. @throws {BackendError} LANES_UNSUPPORTED for tensors of unknown meaning */
export function rowFacts(batch: Batch): { readonly names: string[]; readonly numRows: number; readonly width: number } {
  const { tensors, lists = {} } = batch;
  const listed = new Set(Object.entries(lists).flatMap(([name, { beside }]) => [name, ...Object.keys(beside)]));
  const names = Object.keys(tensors).filter((name) => !listed.has(name));
  const shapes = names.map((name) => tensors[name]!.shape);
  const [numRows = 0, width = 0] = shapes[0] ?? [];
  const odd = names.find((_, i) => shapes[i]!.length < 2 || shapes[i]![0] !== numRows);
  if (odd !== undefined) throw unsupported(`the objective's tensor "${odd}" is neither rows nor a list of places`);
  const isUnclear = Object.values(lists).some((list) => list.width === undefined);
  if (isUnclear && shapes.some((shape) => shape[1] !== width)) {
    throw unsupported("the objective's rows have several widths, and a list does not say in which it counts");
  }
  return { names, numRows, width };
}

/** Rows [first, last) of a tensor. */
function rowsOf({ dtype, shape, data }: HostTensor, first: number, last: number): HostTensor {
  const size = sizeOf(shape.slice(1));
  return {
    dtype,
    shape: [last - first, ...shape.slice(1)],
    data: data.subarray(first * size, last * size) as HostTensor["data"],
  };
}

/** Room of a part's list: its share of the undivided list's, in coarse steps more where that is too little. */
function roomOf(count: number, whole: number, share: number): number {
  const usual = 8 * Math.ceil((whole * share) / 8);
  const step = 8 * Math.ceil(whole / 128);
  return count <= usual ? usual : usual + step * Math.ceil((count - usual) / step);
}

/** Some elements of a vector, then room. */
function pick({ dtype, data }: HostTensor, items: readonly number[], room: number, fill: number): HostTensor {
  const picked = allocateHostData(dtype, room).fill(fill);
  items.forEach((item, i) => {
    picked[i] = data[item]!;
  });
  return { dtype, shape: [room], data: picked };
}

/** The entries of a list whose rows are [first, last), with places counted from the first of these rows. */
function listPart(
  batch: Batch,
  name: string,
  { count, beside }: BatchList,
  range: { readonly first: number; readonly last: number; readonly numRows: number; readonly width: number },
): { readonly count: number; readonly tensors: Readonly<Record<string, HostTensor>> } {
  const { first, last, numRows, width } = range;
  const { data: places } = batch.tensors[name]!;
  const [begin, end] = [first * width, last * width];
  const kept: number[] = [];
  for (let i = 0; i < count; i++) if (places[i]! >= begin && places[i]! < end) kept.push(i);
  const room = roomOf(kept.length, places.length, (last - first) / numRows);
  const [local, items] = [new Int32Array(room), new Int32Array(room)];
  kept.forEach((item, i) => {
    local[i] = places[item]! - begin;
    items[i] = item;
  });
  const parallel = Object.entries(beside).map(
    ([other, fill]) => [other, pick(batch.tensors[other]!, kept, room, fill)] as const,
  );
  const tensors: Record<string, HostTensor> = {
    [name]: { dtype: "i32", shape: [room], data: local },
    [itemTensor(name)]: { dtype: "i32", shape: [room], data: items },
    ...Object.fromEntries(parallel),
  };
  return { count: kept.length, tensors };
}

/** Tokens of rows, by their sequence ids; an encoder–decoder has those of its targets too. */
function tokensOf({ sequenceIds, targetSequenceIds }: Batch["tensors"], otherwise: number): number {
  if (sequenceIds === undefined) return otherwise;
  let tokens = 0;
  for (const ids of [sequenceIds, targetSequenceIds]) for (const id of ids?.data ?? []) if (id !== 0) tokens++;
  return tokens;
}

/**
 * Cuts a batch by rows into as many parts, the first ones a row larger where the rows do not divide.
 *
 * Counts stay with the undivided batch: those of the parts are 0. Beside each list of places a part has the numbers of
 * its entries in the undivided list (`itemTensor`).
 * @returns the batch alone when it has fewer rows than there are to be parts
 * @throws {BackendError} LANES_UNSUPPORTED for tensors of unknown meaning
 */
export function divideBatch(batch: Batch, lanes: number): readonly Batch[] {
  const { names, numRows, width } = rowFacts(batch);
  if (numRows < lanes) return [batch];
  const { tensors, lists = {} } = batch;
  const noCounts = Object.fromEntries(Object.keys(batch.counts).map((name) => [name, 0]));
  const rooms = Object.fromEntries(Object.keys(lists).map((name) => [name, tensors[name]!.shape[0]!]));
  return Array.from({ length: lanes }, (_, lane): Batch => {
    const share = (index: number): number => Math.ceil((index * numRows) / lanes);
    const [first, last] = [share(lane), share(lane + 1)];
    const own: Record<string, HostTensor> = {};
    const ownLists: Record<string, BatchList> = {};
    for (const name of names) own[name] = rowsOf(tensors[name]!, first, last);
    for (const [name, list] of Object.entries(lists)) {
      const range = { first, last, numRows, width: list.width ?? width };
      const { count, tensors: listed } = listPart(batch, name, list, range);
      Object.assign(own, listed);
      ownLists[name] = { ...list, count };
    }
    const part = (last - first) / numRows;
    return {
      tensors: own,
      lists: ownLists,
      counts: noCounts,
      ...(batch.kind === undefined ? {} : { kind: batch.kind }),
      numSequences: Math.round(batch.numSequences * part),
      numTokens: tokensOf(own, batch.numTokens * part),
      numPlaces: batch.numPlaces * part,
      part: { lanes, lane, firstRow: first, rooms },
    };
  });
}
