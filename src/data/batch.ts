import type { HostTensor } from "../ir/dtype.ts";

/** What one run of a model works on: host tensors by name, and how much of what is in them. */
export interface Batch {
  /** Static shapes: batches of one kind and size share a compiled graph. */
  readonly tensors: Readonly<Record<string, HostTensor>>;
  /** How many items each loss term or metric is a sum over, e.g. `{ maskedTokens: 614 }`. */
  readonly counts: Readonly<Record<string, number>>;
  readonly numSequences: number;
  /** Tokens that are not padding. */
  readonly numTokens: number;
  /** Places in the rows, padding included: what is computed. */
  readonly numPlaces: number;
  /** The tensors that do not hold rows, by the names of those with places; all others are `[rows, …]`. */
  readonly lists?: Readonly<Record<string, BatchList>>;
  /** Which of several losses it is for; batches of different kinds never share a graph. */
  readonly kind?: string;
  /** What this is a part of, when it was divided from a larger batch. */
  readonly part?: BatchPart;
}

/** A tensor i32 `[P]` of places (row · width + token), and what lies beside it. */
export interface BatchList {
  /** Places in use, from the front; the others are room. */
  readonly count: number;
  /** Tensors `[P]` with one entry for each place, and what their room is filled with. */
  readonly beside: Readonly<Record<string, number>>;
  /** Width of the rows that the places count in; needed where a batch has rows of several widths. */
  readonly width?: number;
}

/** Where a part of a batch stands in it. */
export interface BatchPart {
  /** Parts that there are, and which of them this is, from 0. */
  readonly lanes: number;
  readonly lane: number;
  readonly firstRow: number;
  /** Size of each list in the undivided batch. */
  readonly rooms: Readonly<Record<string, number>>;
}

/** Names batches that can share a compiled graph. */
export function batchSignature({ tensors, kind, part }: Batch): string {
  const own = Object.entries(tensors).map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join(",")}]`);
  const types = kind === undefined ? own : [`${kind}:`, ...own];
  return part === undefined ? types.join(" ") : `${types.join(" ")} of ${JSON.stringify(part)}`;
}
