/** @file A table whose first row is looked at before the rows are read. */
import { type TableRow, TableSource } from "./table.ts";

/**
 * The first row of a table, which is read no further, and the whole of it; that of a stream can be read once.
 * @throws {DataError} TABLE_EMPTY, and the file's own errors
 */
export async function withFirstRow(
  source: TableSource,
): Promise<{ readonly first: TableRow; readonly whole: TableSource; readonly close: () => Promise<void> }> {
  const rows = source.rows();
  const { value } = await rows.next();
  const first = value as TableRow;
  const close = async (): Promise<void> => void (await rows.return(undefined));
  if (!source.isReadOnce) {
    await close();
    return { first, whole: source, close };
  }
  const whole = new TableSource(
    source.name,
    async function* (): AsyncGenerator<TableRow> {
      yield first;
      yield* rows;
    },
    { isReadOnce: true },
  );
  return { first, whole, close };
}
