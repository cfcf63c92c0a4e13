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
}

/** Names batches that can share a compiled graph. */
export function batchSignature(batch: Batch): string {
  return Object.entries(batch.tensors)
    .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join(",")}]`)
    .join(" ");
}
