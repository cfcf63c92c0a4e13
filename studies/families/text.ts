/**
 * Writes the text that all families learn from, cleaned and in sentences: 10 million words of books, speeches, news, film reviews
 * and encyclopedia articles; held out are two novels and WikiText-2's validation part.
 *
 *     npx tsx studies/families/text.ts DATA
 *
 * DATA is the folder of the data sets. One sentence a line, a blank line after each document.
 */
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { TextSource } from "../../src/data/source.ts";
import { englishText } from "../encoders/english.ts";
import { textFolder } from "./runs.ts";

async function* textOf(source: TextSource): AsyncGenerator<string> {
  for await (const document of source.documents()) yield `${document.join("\n")}\n\n`;
}

const [data = "../shared/data"] = process.argv.slice(2);
const text = englishText(data);
await mkdir(textFolder, { recursive: true });
for (const part of ["train", "eval"] as const) {
  await pipeline(Readable.from(textOf(text[part])), createWriteStream(join(textFolder, `${part}.txt`)));
}
