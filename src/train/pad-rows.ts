import type { Batch } from "../data/batch.ts";
import { allocateHostData, type HostTensor } from "../ir/dtype.ts";
import { sizeOf } from "../ir/shape.ts";
import { rowFacts } from "./divide-batch.ts";

/** A tensor of rows with empty ones behind them. */
function withRows({ dtype, shape, data }: HostTensor, numRows: number): HostTensor {
  const larger = [numRows, ...shape.slice(1)];
  const padded = allocateHostData(dtype, sizeOf(larger));
  padded.set(data);
  return { dtype, shape: larger, data: padded };
}

/**
 * A batch with empty rows behind its own, so that their number is a multiple: devices cut it into equal parts.
 *
 * Nothing else changes: places and dropout masks count rows from the first, counts are of what is in the rows, and rows
 * that no list names are computed for nothing.
 * @throws {BackendError} LANES_UNSUPPORTED for tensors of unknown meaning
 */
export function padRows(batch: Batch, multiple: number): Batch {
  const { names, numRows } = rowFacts(batch);
  const padded = Math.ceil(numRows / multiple) * multiple;
  if (padded === numRows) return batch;
  const rows = names.map((name): [string, HostTensor] => [name, withRows(batch.tensors[name]!, padded)]);
  return {
    ...batch,
    tensors: { ...batch.tensors, ...Object.fromEntries(rows) },
    numPlaces: (batch.numPlaces * padded) / numRows,
  };
}
