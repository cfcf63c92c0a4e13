/** @file Entries as a table of Arrow, the form in which the store takes them. */
import type { Schema, Table } from "apache-arrow";
import { DataError } from "../base/errors.ts";
import type { Libraries } from "./lance.ts";

/** A text with its vector. */
export interface Entry {
  readonly id: string;
  readonly text: string;
  /** The row's own fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** f32 `[H]`, of length 1. */
  readonly vector: Float32Array;
}

/** The column of the vectors; the others are called as the parts of an entry are. */
export const VECTOR = "vector";

type Arrow = Libraries["arrow"];

/** The columns of entries. @param dimension entries of a vector */
export function entrySchema(
  { Field, FixedSizeList, Float32, Schema: ArrowSchema, Utf8 }: Arrow,
  dimension: number,
): Schema {
  const item = new Field("item", new Float32(), true);
  return new ArrowSchema([
    ...["id", "text", "fields"].map((name) => new Field(name, new Utf8(), false)),
    new Field(VECTOR, new FixedSizeList(dimension, item), false),
  ]);
}

/** Entries by columns. @throws {DataError} DIMENSION_MISMATCH */
export function entryTable(
  { Field, FixedSizeList, Float32, makeData, Table: ArrowTable, Utf8, Vector, vectorFromArray }: Arrow,
  { schema, dimension, folder }: { readonly schema: Schema; readonly dimension: number; readonly folder: string },
  entries: readonly Entry[],
): Table {
  const flat = new Float32Array(entries.length * dimension);
  entries.forEach(({ vector, id }, i) => {
    if (vector.length !== dimension) {
      throw new DataError(`the vector of ${JSON.stringify(id)} has ${vector.length} entries, not ${dimension}.`, {
        code: "DIMENSION_MISMATCH",
        path: folder,
      });
    }
    flat.set(vector, i * dimension);
  });
  const texts = (values: readonly string[]) => vectorFromArray(values, new Utf8());
  const item = new Field("item", new Float32(), true);
  const child = makeData({ type: new Float32(), length: flat.length, nullCount: 0, data: flat });
  const type = new FixedSizeList(dimension, item);
  const vectors = new Vector([makeData({ type, length: entries.length, nullCount: 0, child })]);
  return new ArrowTable(schema, {
    id: texts(entries.map(({ id }) => id)),
    text: texts(entries.map(({ text }) => text)),
    fields: texts(entries.map(({ fields }) => JSON.stringify(fields))),
    [VECTOR]: vectors,
  });
}
