import { Readable } from "node:stream";
import { type CsvError, type InfoRecord, parse } from "csv-parse";
import { DataError } from "../base/errors.ts";
import { fileBlocks, wholeLines } from "./file-lines.ts";
import { type DelimitedOptions, type TableRow, TableSource, type TextColumnOptions } from "./table.ts";

/** A row of cells, before columns have names. */
interface CellRow {
  readonly cells: readonly string[];
  readonly line: number;
}

/**
 * A tab-separated file in the manner of GLUE: quotes are plain text and a row is a line; also gzipped.
 */
export function tsv(file: string, options: DelimitedOptions & TextColumnOptions = {}): TableSource {
  return new TableSource(file, () => named(file, plainRows(file, options), options), options);
}

/** A comma-separated file with CSV quoting (RFC 4180), so cells may hold commas, quotes and line ends; also gzipped. */
export function csv(file: string, options: DelimitedOptions & TextColumnOptions = {}): TableSource {
  return new TableSource(file, () => named(file, quotedRows(file, options), options), options);
}

async function* plainRows(file: string, options: DelimitedOptions): AsyncGenerator<CellRow> {
  const { delimiter = "\t" } = options;
  for await (const { text, line } of wholeLines(file, options)) {
    if (line === 1 && text.includes("\r")) throw returnsAlone(file);
    if (text !== "") yield { cells: text.split(delimiter), line };
  }
}

function returnsAlone(file: string): DataError {
  return new DataError(
    "line 1: has a carriage return inside; lines must end in \\n or \\r\\n. Save the file with such line ends, or read it as CSV.",
    { code: "LINE_ENDS", path: file, details: { line: 1 } },
  );
}

/** What ends the rows of a file, by its beginning: both usual line ends, which may be mixed, or those of old Macs. */
function lineEnds(beginning: string): string[] {
  return beginning.includes("\n") || !beginning.includes("\r") ? ["\r\n", "\n"] : ["\r"];
}

async function* quotedRows(file: string, options: DelimitedOptions): AsyncGenerator<CellRow> {
  const { delimiter = "," } = options;
  const read = texts(file, options);
  const { value: first } = await read.next();
  if (first === undefined) return;
  // csv-parse's own line numbers count a CRLF inside quotes twice. Lines are counted when rows are found, not when they are
  // taken: those before a broken one may never be.
  let end = 0;
  const lines: number[] = [];
  const counted = (cells: string[], { empty_lines: empty }: InfoRecord): string[] => {
    lines.push(end + empty + 1);
    end++;
    for (const cell of cells) for (let at = cell.indexOf("\n"); at !== -1; at = cell.indexOf("\n", at + 1)) end++;
    return cells;
  };
  const parser = parse({
    ...{ delimiter, relax_column_count: true, skip_empty_lines: true, on_record: counted },
    // Left to itself it takes the first line's end for that of all.
    record_delimiter: lineEnds(first),
  });
  const blocks = Readable.from(joined(first, read));
  blocks.on("error", (error) => parser.destroy(error));
  blocks.pipe(parser);
  try {
    for await (const cells of parser as AsyncIterable<string[]>) yield { cells, line: lines.shift()! };
  } catch (cause) {
    const { code, empty_lines: empty } = cause as CsvError & Pick<InfoRecord, "empty_lines">;
    if (!String(code).startsWith("CSV_")) throw cause;
    const line = end + empty + 1;
    throw new DataError(
      `the row at line ${line}: CSV quoting is broken (${(cause as Error).message.replace(/ at line \d+/, "")}). If quotes are plain text, read it with tsv and a delimiter.`,
      { code: "CSV_INVALID", path: file, details: { line }, cause },
    );
  } finally {
    blocks.destroy();
  }
}

async function* texts(file: string, options: DelimitedOptions): AsyncGenerator<string, undefined> {
  for await (const { text } of fileBlocks(file, options)) yield text;
  return undefined;
}

async function* joined(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

/** Gives cells their column names and checks that every row has as many as the first. */
async function* named(file: string, rows: AsyncIterable<CellRow>, options: DelimitedOptions): AsyncGenerator<TableRow> {
  const { header = "auto", extraColumns = "error" } = options;
  let names: readonly string[] | undefined;
  for await (const { cells, line } of rows) {
    if (names === undefined) {
      const hasHeader = header === "auto" ? looksLikeHeader(cells) : header;
      names = options.columns ?? (hasHeader ? cells : cells.map((_, i) => String(i)));
      refuseDuplicates(names, file, line);
      if (hasHeader) continue;
    }
    const surplus = cells.length - names.length;
    if (surplus < 0 || (surplus > 0 && extraColumns === "error")) throw wrongCount(file, line, names, cells.length);
    yield { fields: Object.fromEntries(names.map((name, i) => [name, cells[i]])), line };
  }
}

/** Words that names of columns are made of. */
const columnWords =
  /(^|[^a-z])(text|sentence|string|question|answer|query|title|review|comment|content|premise|hypothesis|source|target|context|passage|document|sequence|label|class|category|intent|sentiment|gold|quality|score|relatedness|entailment|index|idx|id)s?([^a-z]|$)/i;

/**
 * A first row is taken for a header when its cells are different names of at most three words, one of them usual.
 * A header missed is noticed (its names are unknown columns); an example taken for a header would be lost in silence.
 */
function looksLikeHeader(cells: readonly string[]): boolean {
  const isName = (cell: string) =>
    cell.length <= 40 && /^[\p{L}_#][\p{L}\p{N}_#.-]*( [\p{L}\p{N}_#.-]+){0,2}$/u.test(cell);
  return cells.every(isName) && new Set(cells).size === cells.length && cells.some((cell) => columnWords.test(cell));
}

function refuseDuplicates(names: readonly string[], file: string, line: number): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new DataError(`line ${line}: two columns are named "${twice}". Set columns, or header to false.`, {
    code: "COLUMN_NAME_TWICE",
    path: file,
  });
}

function wrongCount(file: string, line: number, names: readonly string[], found: number): DataError {
  const fix =
    found > names.length
      ? 'Correct the row, or set extraColumns to "ignore"'
      : "Correct the row; a line end inside quotes needs csv instead of tsv";
  return new DataError(`line ${line}: a row must have ${names.length} columns; got ${found}. ${fix}.`, {
    code: "COLUMN_COUNT",
    path: file,
    details: { line, expected: names.length, found },
  });
}
