// Builds English text of a given size for the data benchmark out of public-domain books, repeated.
//
//   npx tsx bench/data/text.ts OUT.txt --mb 1000 [--form sentences|pages] [--books FOLDER]
//
// `sentences` (default): one sentence a line, a blank line ends a document: what every side of the comparison reads.
// `pages`: the books as they are, hard-wrapped lines and all, for the cost of finding sentences.

import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fileLines } from "../../src/data/file-lines.ts";
import { textFile } from "../../src/data/text-file.ts";

export type TextForm = "sentences" | "pages";

/** Folder of the shared books, beside the repository. */
export const booksFolder = join(
  dirname(fileURLToPath(import.meta.url)),
  "..",
  "..",
  "..",
  "shared",
  "data",
  "en_gutenberg",
);

/** A document ends after so many sentences, at the next end of a paragraph. */
const sentencesADocument = 40;

const encodingOf = (name: string) => (/_latin1\./.test(name) ? "latin1" : "utf-8");

/** The text of all books in order, in pieces of whole lines. */
async function* bookText(folder: string, form: TextForm): AsyncGenerator<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".txt.gz")).sort();
  for (const name of names) {
    const file = join(folder, name);
    const encoding = encodingOf(name);
    if (form === "pages") {
      for await (const { text } of fileLines(file, { encoding })) yield `${text}\n`;
    } else {
      let held = 0;
      for await (const paragraph of textFile(file, { encoding }).documents()) {
        held += paragraph.length;
        const isEnd = held >= sentencesADocument;
        yield `${paragraph.join("\n")}\n${isEnd ? "\n" : ""}`;
        if (isEnd) held = 0;
      }
      if (held > 0) yield "\n";
    }
  }
}

/** Writes about `bytes` bytes of book text, the books again and again; ends after a whole document or line. */
export async function writeBookText(out: string, bytes: number, form: TextForm, folder = booksFolder): Promise<number> {
  if (!existsSync(folder)) throw new Error(`${folder} is missing: the benchmark needs the shared English books.`);
  await mkdir(dirname(out), { recursive: true });
  const stream = createWriteStream(out);
  const round: Buffer[] = [];
  let size = 0;
  const put = async (buffer: Buffer): Promise<void> => {
    size += buffer.length;
    if (!stream.write(buffer)) await once(stream, "drain");
  };
  for await (const piece of bookText(folder, form)) {
    const buffer = Buffer.from(piece);
    round.push(buffer);
    await put(buffer);
    if (size >= bytes) break;
  }
  const whole = Buffer.concat(round);
  while (size < bytes) {
    const left = bytes - size;
    await put(left >= whole.length ? whole : whole.subarray(0, whole.indexOf("\n\n", left) + 2));
  }
  stream.end();
  await once(stream, "finish");
  return size;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      mb: { type: "string", default: "100" },
      form: { type: "string", default: "sentences" },
      books: { type: "string", default: booksFolder },
    },
  });
  const [out] = positionals;
  const megabytes = Number(values.mb);
  if (out === undefined || !(megabytes > 0) || (values.form !== "sentences" && values.form !== "pages")) {
    console.error("Usage: npx tsx bench/data/text.ts OUT.txt --mb 1000 [--form sentences|pages] [--books FOLDER]");
    process.exit(1);
  }
  const size = await writeBookText(resolve(out), megabytes * 1e6, values.form, values.books);
  console.log(`${out}: ${(size / 1e6).toFixed(1)} MB`);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
