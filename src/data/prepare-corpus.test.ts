import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { FirthError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import * as siblingModule from "../base/sibling-module.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";
import { csv } from "./delimited.ts";
import { type PrepareOptions, prepareCorpus } from "./prepare-corpus.ts";
import { joinSources, type TextSource, textDocuments } from "./source.ts";
import { textFile, textFolder } from "./text-file.ts";

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
const tokenizer = WordPiece.fromVocabulary([...special, ".", ...letters, ...letters.map((letter) => `##${letter}`)]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-prepare-"));
});
afterAll(() => rm(folder, { recursive: true }));

const someWords = Array.from({ length: 300 }, (_, i) => letters[i % 26]! + letters[(i * 7) % 26]!.repeat(i % 5));

/** Paragraphs of sentences, some hard-wrapped, with blank lines of several kinds between them. */
function randomText(bytes: number, seed: number): string {
  const random = new Random(seed, "text");
  const parts: string[] = [];
  for (let size = 0; size < bytes; size += parts.at(-1)!.length) {
    const words = Array.from({ length: 3 + random.nextInt(60) }, () => someWords[random.nextInt(300)]!);
    const text = words.map((word, i) => (i % 9 === 8 ? `${word}.` : word)).join(random.next() < 0.3 ? "\r\n" : " ");
    parts.push(`${text}.${random.next() < 0.5 ? "\n\n" : random.next() < 0.5 ? "\r\n \t\r\n" : "\n"}`);
  }
  return parts.join("");
}

let count = 0;
async function prepare(source: TextSource, more: Partial<PrepareOptions> = {}): Promise<string> {
  const outputFolder = join(folder, `c${count++}`);
  await prepareCorpus({ source, tokenizer, outputFolder, shardBytes: 300_000, ...more });
  return outputFolder;
}

async function contents(corpus: string): Promise<Record<string, string>> {
  const names = (await readdir(corpus)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(corpus, name), "hex")])),
  );
}

async function failure(promise: Promise<unknown>): Promise<FirthError> {
  const error = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FirthError);
  return error as FirthError;
}

describe("prepareCorpus on several threads", () => {
  it("writes the same bytes whatever their number (bug: order of completion, cuts that depend on the reader)", async () => {
    const root = join(folder, "texts");
    await mkdir(root);
    await writeFile(join(root, "a.txt"), randomText(700_000, 1));
    await writeFile(join(root, "b.txt.gz"), gzipSync(randomText(600_000, 2)));
    await writeFile(join(root, "c.txt"), "\uFEFFone. two");
    const table = join(root, "t.csv");
    await writeFile(table, `text,label\n${'"a b. c ""d"". e",1\n'.repeat(20_000)}`);
    const memory = Array.from({ length: 3000 }, (_, i) => [`doc ${"x".repeat(i % 50)}`, "next one."]);
    const whole = joinSources([textFolder(root), csv(table, { column: "text" }), textDocuments(memory)]);
    const source = whole.split({ evalFraction: 0.2, seed: 3 }).train;
    const [one, two, three] = await Promise.all(
      [1, 2, 3].map(async (threads) => contents(await prepare(source, { threads, minDocumentTokens: 4 }))),
    );
    expect(Object.keys(one!).length).toBeGreaterThan(4);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });

  it.each(["blankLine", "file", "line"] as const)(
    "reads the documents that the source gives, documents ending with %s (bug: a document cut where a block ends)",
    async (documentEnd) => {
      const path = join(folder, `d-${documentEnd}.txt`);
      await writeFile(path, randomText(1_200_000, 4));
      const source = textFile(path, { documentEnd });
      const listed: string[][] = [];
      for await (const document of source.documents()) listed.push([...document]);
      const fromList = await contents(await prepare(textDocuments(listed, path), { threads: 1 }));
      expect(await contents(await prepare(source, { threads: 2 }))).toEqual(fromList);
    },
  );

  it("names file, line and byte as one thread does (bug: counted from the block's first line)", async () => {
    const path = join(folder, "bad.txt");
    const good = randomText(1_100_000, 5);
    await writeFile(
      path,
      Buffer.concat([Buffer.from(`${good}\nab `), Buffer.from([0xff]), Buffer.from(` c\n${good}`)]),
    );
    const errors = [];
    for (const threads of [1, 2]) errors.push(await failure(prepare(textFile(path), { threads })));
    expect(errors[0]).toMatchObject({ code: "TEXT_NOT_UTF8", path });
    expect(errors[0]!.details).toMatchObject({ line: good.split("\n").length + 1, byte: good.length + 4 });
    expect(errors[1]!.message).toBe(errors[0]!.message);
    expect(errors[1]!.details).toEqual(errors[0]!.details);
  });

  it("leaves nothing behind when aborted (bug: a shard written after the folder is gone)", async () => {
    const source = textDocuments(Array.from({ length: 30_000 }, (_, i) => [`a ${"bc ".repeat(i % 40)}`]));
    const before = await readdir(folder);
    const abort = new AbortController();
    const stopped = prepare(source, {
      threads: 2,
      shardBytes: 100_000,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error("stopped by the test")),
    });
    await expect(stopped).rejects.toThrow("stopped by the test");
    expect(await readdir(folder)).toEqual(before);
  });

  it("says that a thread was lost instead of waiting for it (bug: hang)", async () => {
    const program = `const { parentPort: port } = require("node:worker_threads"); let n = 0;
      port.on("message", (m) => (m.kind === "start" ? port.postMessage({ kind: "started" }) : process.exit(3)));`;
    const start = vi
      .spyOn(siblingModule, "startSiblingWorker")
      .mockImplementation(() => new Worker(program, { eval: true }));
    try {
      const before = await readdir(folder);
      const source = textDocuments(Array.from({ length: 40_000 }, () => ["some words in a sentence and then some"]));
      const error = await failure(prepare(source, { threads: 2 }));
      expect(error.code).toBe("WORKER_LOST");
      expect(error.message).toContain("exit code 3");
      expect(await readdir(folder)).toEqual(before);
    } finally {
      start.mockRestore();
    }
  });

  it("refuses threads that cannot be, and a tokenizer that cannot go to them", async () => {
    const source = textDocuments([["a"]]);
    expect((await failure(prepare(source, { threads: 0 }))).code).toBe("THREADS_RANGE");
    const own = Object.create(tokenizer) as WordPiece;
    expect((await failure(prepare(source, { threads: 2, tokenizer: own }))).code).toBe("TOKENIZER_ONE_THREAD");
  });
});
