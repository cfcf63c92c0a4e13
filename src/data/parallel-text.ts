import { DataError } from "../base/errors.ts";
import type { DecodeOptions } from "./encoding.ts";
import { fileLines } from "./file-lines.ts";
import { type TableRow, TableSource } from "./table.ts";

/**
 * Two text files, also gzipped, whose lines belong together, as a table with the columns `source` and `target`. Lines that
 * are empty in both are passed over.
 */
export function parallelText(sourceFile: string, targetFile: string, options: DecodeOptions = {}): TableSource {
  return new TableSource(`${sourceFile} + ${targetFile}`, () => pairedLines(sourceFile, targetFile, options), {});
}

async function* pairedLines(sourceFile: string, targetFile: string, options: DecodeOptions): AsyncGenerator<TableRow> {
  const sources = fileLines(sourceFile, options);
  const targets = fileLines(targetFile, options);
  try {
    for (let line = 1; ; line++) {
      const [source, target] = [await sources.next(), await targets.next()];
      if (source.done === true && target.done === true) return;
      if (source.done === true || target.done === true) {
        const [shorter, longer] = source.done === true ? [sourceFile, targetFile] : [targetFile, sourceFile];
        throw new DataError(
          `ends after ${line - 1} lines, but ${longer} goes on. Lines belong together by number: give files of one length.`,
          { code: "LINES_UNPAIRED", path: shorter, details: { lines: line - 1 } },
        );
      }
      const fields = { source: source.value.text, target: target.value.text };
      if (fields.source.trim() !== "" || fields.target.trim() !== "") yield { fields, line };
    }
  } finally {
    await sources.return(undefined);
    await targets.return(undefined);
  }
}
