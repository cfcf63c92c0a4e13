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

/** `count` items drawn without repetition. */
function drawn(items, count, seed, file) {
  if (items.length < count)
    throw new RangeError(`${file}: ${count} examples are needed; there are ${items.length}. Lower --steps.`);
  const random = numbers(seed);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random.next().value * (items.length - i));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items.slice(0, count);
}

/** Rows that have a label and non-empty texts, as a table without header. */
async function readTexts(folder, { file, header, label, texts }, count, seed) {
  const rows = [];
  let isFirst = true;
  for await (const line of lines(join(folder, file))) {
    const isHeader = isFirst && header;
    isFirst = false;
    if (isHeader) continue;
    const cells = line.split("\t");
    const row = [cells[label], ...texts.map((column) => cells[column])].map((cell) => cell?.trim());
    if (row.every(Boolean)) rows.push(row.join("\t"));
  }
  return {
    ending: ".tsv",
    text: drawn(rows, count, seed, file)
      .map((row) => `${row}\n`)
      .join(""),
  };
}

/** Longest sentence in words: longer ones would be cut here and read in windows there. */
const mostWords = 60;

/** Sentences of CoNLL-U as words with their UPOS, a word a line. */
async function readSentences(folder, { file }, count, seed) {
  const sentences = [];
  let words = [];
  for await (const line of lines(join(folder, file))) {
    const cells = line.split("\t");
    if (/^\d+$/.test(cells[0]) && cells.length === 10) words.push(`${cells[1]}\t${cells[3]}`);
    else if (line.trim() === "") {
      if (words.length > 0 && words.length <= mostWords) sentences.push(words.join("\n"));
      words = [];
    }
  }
  return {
    ending: ".conll",
    text: drawn(sentences, count, seed, file)
      .map((one) => `${one}\n\n`)
      .join(""),
  };
}

/** Questions of a file in SQuAD's layout, each with its text. */
async function readQuestions(folder, { file }, count, seed) {
  let json = "";
  for await (const line of lines(join(folder, file))) json += `${line}\n`;
  const asked = JSON.parse(json).data.flatMap(({ paragraphs }) =>
    paragraphs.flatMap(({ context, qas }) => qas.map((question) => ({ context, qas: [question] }))),
  );
  const paragraphs = drawn(asked, count, seed, file);
  return { ending: ".json", text: JSON.stringify({ version: "1.1", data: [{ title: "", paragraphs }] }) };
}

const readers = { texts: readTexts, tags: readSentences, answers: readQuestions };

/** A part of a task's data as a file that both sides read: its ending and its text. */
export const taskFile = (folder, task, count, seed) => readers[task.kind](folder, task, count, seed);
