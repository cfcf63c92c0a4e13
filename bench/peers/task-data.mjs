// A fixed part of a data set, the same for every side.

import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";

async function* lines(path) {
  const gzipped = !existsSync(path);
  const file = gzipped ? `${path}.gz` : path;
  if (!existsSync(file)) throw new RangeError(`--data: there is neither ${path} nor ${path}.gz.`);
  const stream = createReadStream(file);
  yield* createInterface({
    input: gzipped ? stream.pipe(createGunzip()) : stream,
    crlfDelay: Number.POSITIVE_INFINITY,
  });
}

/** Numbers in [0, 1) from a seed (xorshift32): the choice of rows must be the same everywhere. */
function* numbers(seed) {
  let state = seed * 2654435761 || 1;
  for (;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield (state >>> 0) / 2 ** 32;
  }
}

/** One column of a table without header, empty cells left out. */
export async function readColumn(folder, file, column) {
  const cells = [];
  for await (const line of lines(join(folder, file))) {
    const cell = line.split("\t")[column]?.trim();
    if (cell) cells.push(cell);
  }
  return cells;
}

/** `count` rows drawn without repetition; every row has a label and non-empty texts. */
export async function readExamples(folder, { file, header, label, texts }, count, seed) {
  const rows = [];
  let isFirst = true;
  for await (const line of lines(join(folder, file))) {
    if (isFirst && header) {
      isFirst = false;
      continue;
    }
    isFirst = false;
    const cells = line.split("\t");
    const row = { label: cells[label]?.trim(), texts: texts.map((column) => cells[column]?.trim()) };
    if (row.label && row.texts.every(Boolean)) rows.push(row);
  }
  if (rows.length < count)
    throw new RangeError(`${file}: ${count} examples are needed; there are ${rows.length}. Lower --steps.`);
  const random = numbers(seed);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random.next().value * (rows.length - i));
    [rows[i], rows[j]] = [rows[j], rows[i]];
  }
  return rows.slice(0, count);
}
