import { BackendError } from "../../base/errors.ts";
import type { MemoryBuffer } from "./memory.ts";

/**
 * Adds rows to the rows of a table, in order.
 * @param table f32 `[N, H]`
 * @param ids i32, one for each row, in `[0, N)`
 * @param rows f32, as many rows of H as there are ids
 * @throws {BackendError} INDEX_OUT_OF_RANGE
 */
export function addRows(table: MemoryBuffer, ids: MemoryBuffer, rows: MemoryBuffer): void {
  const [count, width] = table.shape as [number, number];
  const target = table.view() as Float32Array;
  const source = rows.view() as Float32Array;
  const places = ids.view() as Int32Array;
  let from = 0;
  for (const id of places) {
    if (id < 0 || id >= count) {
      throw new BackendError(`a table of ${count} rows has no row ${id}. Check the ids.`, {
        code: "INDEX_OUT_OF_RANGE",
        path: "embeddingGrad",
      });
    }
    const to = id * width;
    for (let column = 0; column < width; column++) target[to + column] = target[to + column]! + source[from + column]!;
    from += width;
  }
}
