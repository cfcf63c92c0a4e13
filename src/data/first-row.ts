/** @file A table whose first row is looked at before the rows are read. */
import { type TableRow, TableSource } from "./table.ts";

/**
 * The first row of a table, which is read no further, and the whole of it. The whole can be read once: what is read may be a
 * stream.
 * @throws {DataError} TABLE_EMPTY, and the file's own errors
 */
export async function withFirstRow(
  source: TableSource,
): Promise<{ readonly first: TableRow; readonly whole: TableSource; readonly close: () => Promise<void> }> {
  const rows = source.rows();
  const { value } = await rows.next();
  const first = value as TableRow;
  const whole = new TableSource(
    source.name,
    async function* (): AsyncGenerator<TableRow> {
      yield first;
      yield* rows;
    },
    {},
  );
  return { first, whole, close: async () => void (await rows.return(undefined)) };
}
