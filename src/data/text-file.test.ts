import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../base/errors.ts";
import type { TextDocument } from "./document.ts";
import { fileLines } from "./file-lines.ts";
import { isHardWrapped } from "./sentence.ts";
import { type TextSource, textDocuments } from "./source.ts";
import { type TextOptions, textFile, textFolder } from "./text-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-text-"));
});
afterAll(() => rm(folder, { recursive: true }));

let count = 0;
async function file(content: string | Buffer, ending = ".txt"): Promise<string> {
  const path = join(folder, `f${count++}${ending}`);
  await writeFile(path, content);
  return path;
}

async function read(source: TextSource): Promise<TextDocument[]> {
  return collect(source.documents());
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

async function documents(content: string | Buffer, options: TextOptions = {}): Promise<TextDocument[]> {
  return read(textFile(await file(content), options));
}

async function failure(promise: Promise<unknown>): Promise<DataError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

describe("textFile", () => {
  it("ends documents at blank lines and finds sentences (bug: last document lost without a final line end)", async () => {
    expect(await documents("One here. Two there!\n\n  \nThree.\nFour?")).toEqual([
      ["One here.", "Two there!"],
      ["Three.", "Four?"],
    ]);
  });

  it("reads CRLF and a byte order mark as if they were not there (bug: \\r or U+FEFF in the first sentence)", async () => {
    expect(await documents("\uFEFFOne.\r\n\r\nTwo.\r\n")).toEqual([["One."], ["Two."]]);
  });

  it("joins hard-wrapped lines (bug: a sentence ends at each line end)", async () => {
    const wrapped =
      "It was the best of times, it was\nthe worst of times, it was the\nage of wisdom. It was the age of\nfoolishness.";
    expect(await documents(wrapped)).toEqual([
      [
        "It was the best of times, it was the worst of times, it was the age of wisdom.",
        "It was the age of foolishness.",
      ],
    ]);
    expect((await documents(wrapped, { unwrap: "never" }))[0]).toHaveLength(5);
    expect(await documents("我们走在大路上\n意气风发斗志昂扬\n", { unwrap: "always", locale: "zh" })).toEqual([
      ["我们走在大路上意气风发斗志昂扬"],
    ]);
  });

  it("does not end English sentences after titles and initials (bug: Mr. | Weston)", async () => {
    const text = "Mr. Weston met J. K. Smith and Mrs. Long. It was I. Then came the Dr.";
    expect(await documents(text)).toEqual([
      ["Mr. Weston met J. K. Smith and Mrs. Long.", "It was I.", "Then came the Dr."],
    ]);
    expect((await documents(text, { locale: "de" }))[0]!.length).toBeGreaterThan(3);
  });

  it("leaves verse and lists alone (bug: every paragraph is joined)", () => {
    expect(isHardWrapped(["Milk", "Two pounds of the finest flour there is", "Salt"])).toBe(false);
    expect(isHardWrapped(["x".repeat(400), "short"])).toBe(false);
  });

  it("takes a file or a line as the document when told to", async () => {
    expect(await documents("A.\n\nB.\n", { documentEnd: "file" })).toEqual([["A.", "B."]]);
    expect(await documents("A. B.\nC.\n", { documentEnd: "line", sentences: "line" })).toEqual([["A. B."], ["C."]]);
  });

  it("unpacks gzip, and names damage (bug: truncated file read as a shorter one)", async () => {
    const packed = gzipSync(Buffer.from("One.\n\nTwo.\n"));
    expect(await read(textFile(await file(packed, ".txt.gz")))).toEqual([["One."], ["Two."]]);
    const damaged = await failure(read(textFile(await file(packed.subarray(0, packed.length - 12), ".txt.gz"))));
    expect(damaged.code).toBe("GZIP_DAMAGED");
  });

  it("names file, line and byte of bytes that are not UTF-8 (bug: offset counted in characters or in the block)", async () => {
    const path = await file(
      Buffer.concat([Buffer.from("Zoë\r\nline two "), Buffer.from([0xe9]), Buffer.from(" end\n")]),
    );
    const error = await failure(read(textFile(path)));
    expect(error.code).toBe("TEXT_NOT_UTF8");
    expect(error.path).toBe(path);
    expect(error.details).toMatchObject({ line: 2, byte: 15 });
    expect(error.message).toContain("encoding");
  });

  it("counts lines and bytes on past the first block (bug: block-relative places)", async () => {
    const line = `${"x".repeat(99)}\n`;
    const path = await file(Buffer.concat([Buffer.from(line.repeat(30_000)), Buffer.from([0x41, 0xff, 0x0a])]));
    const error = await failure(collect(fileLines(path)));
    expect(error.details).toMatchObject({ line: 30_001, byte: 3_000_001 });
  });

  it("decodes characters that straddle blocks, and lines longer than a block (bug: split inside a character)", async () => {
    const text = `${"aé€😀".repeat(300_000)} end`;
    const lines = await collect(fileLines(await file(`${text}\nnext\n`)));
    expect(lines.map((entry) => entry.text).join("|").length).toBe(text.length + 5);
    expect(lines.at(-1)).toEqual({ text: "next", line: 2, isWhole: true });
    const huge = "aé€😀".repeat(600_000);
    const pieces = await collect(fileLines(await file(huge)));
    expect(pieces.map((entry) => entry.text).join("") === huge).toBe(true);
    expect(pieces.length).toBeGreaterThan(1);
  });

  it("reads Latin-1, Windows-1252 and GB18030 (bug: 0x80–0x9F left as control characters)", async () => {
    expect(await documents(Buffer.from([0x63, 0x61, 0x66, 0xe9]), { encoding: "latin1" })).toEqual([["café"]]);
    expect(await documents(Buffer.from([0x93, 0x61, 0x94, 0x80]), { encoding: "windows-1252" })).toEqual([["“a”€"]]);
    expect(await documents(Buffer.from([0xc4, 0xe3, 0xba, 0xc3]), { encoding: "gb18030" })).toEqual([["你好"]]);
    expect(await documents(Buffer.from([0x61, 0xff]), { invalid: "replace" })).toEqual([["a\uFFFD"]]);
  });

  it("says clearly what is wrong with a missing, empty or UTF-16 file", async () => {
    expect((await failure(read(textFile(join(folder, "none.txt"))))).code).toBe("FILE_MISSING");
    expect((await failure(documents("\n \n"))).code).toBe("FILE_EMPTY");
    expect((await failure(documents(Buffer.from("\uFEFFhi", "utf16le")))).code).toBe("TEXT_IS_UTF16");
    expect((await failure(read(textFile(folder)))).code).toBe("FILE_UNREADABLE");
  });

  it("gives long documents out in parts without losing a sentence (bug: memory grows with the file)", async () => {
    const parts = await documents("A sentence of some length.\n".repeat(120_000), {
      documentEnd: "file",
      sentences: "line",
    });
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.flat()).toHaveLength(120_000);
  });
});

describe("textFolder", () => {
  it("reads matching files of all subfolders in the order of their paths (bug: directory order)", async () => {
    const root = join(folder, "tree");
    await mkdir(join(root, "b"), { recursive: true });
    await mkdir(join(root, "a.d"));
    await writeFile(join(root, "b", "2.txt"), "b2");
    await writeFile(join(root, "c.txt"), "c");
    await writeFile(join(root, "a.d", "1.txt.gz"), gzipSync("a1"));
    await writeFile(join(root, "b", "note.md"), "no");
    expect((await read(textFolder(root))).flat()).toEqual(["a1", "b2", "c"]);
    expect((await read(textFolder(root, { files: "b/*" }))).flat()).toEqual(["b2", "no"]);
    expect((await failure(read(textFolder(root, { files: "*.xml" })))).code).toBe("FOLDER_NO_FILES");
    expect((await failure(read(textFolder(join(root, "zz"))))).code).toBe("FOLDER_MISSING");
  });
});

describe("split", () => {
  it("holds out about the asked share, the same on every reading, no text on both sides (bug: by position)", async () => {
    const texts = Array.from({ length: 4000 }, (_, i) => [`Document number ${i % 2000}.`, "End."]);
    const { train, eval: held } = textDocuments(texts).split({ evalFraction: 0.1, seed: 4 });
    const a = await read(train);
    const b = await read(held);
    expect(a.length + b.length).toBe(4000);
    // 200 of 2000 distinct expected; standard deviation 13.4, bounds 5 of them.
    expect(b.length / 2).toBeGreaterThan(133);
    expect(b.length / 2).toBeLessThan(267);
    const keys = new Set(a.map((document) => document[0]));
    expect(b.some((document) => keys.has(document[0]))).toBe(false);
    expect(await read(held)).toEqual(b);
    expect(await read(textDocuments(texts).split({ evalFraction: 0.1, seed: 5 }).eval)).not.toEqual(b);
    expect(() => textDocuments(texts).split({ evalFraction: 1 })).toThrow(/between 0 and 1; got 1/);
  });
});
