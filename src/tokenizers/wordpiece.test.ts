import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { loadTokenizer } from "./load.ts";
import { hostile, startsOf } from "./testing.ts";
import { parseTokenizerFile } from "./tokenizer-file.ts";
import { codePointToUnit } from "./unicode-offset.ts";
import { WordPiece } from "./wordpiece.ts";
import { wordPieceFileText } from "./wordpiece-file.ts";
import { resolveWordPieceOptions, type WordPieceOptions } from "./wordpiece-option.ts";

const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const LETTERS = [..."abcdefghijklmnopqrstuvwxyz0123456789!,.'-()"];
const TOKENS = [
  ...SPECIAL,
  ...LETTERS,
  ..."日本語😀𠀀ßσςе",
  ...LETTERS.map((x) => `##${x}`),
  "##е",
  "##σ",
  "##ς",
  "the",
  "un",
  "##able",
];

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-tokenizer-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The same tokenizer without the cache of words. */
function libraryOnly(tokens: readonly string[], options: WordPieceOptions): LibraryTokenizer {
  return new LibraryTokenizer(wordPieceFileText(tokens, resolveWordPieceOptions(options)), "test");
}

describe("encodings of BERT", () => {
  for (const name of ["bert-base-uncased", "bert-base-chinese"]) {
    const source = new URL(`../../../shared/models/${name}/`, import.meta.url);
    // Skipped without ../shared: the vocabularies are not part of the repository.
    it.skipIf(!existsSync(source))(
      `${name} equals the reference (catches code points taken for UTF-16 units)`,
      async () => {
        const tokenizer = await WordPiece.load(source.pathname);
        const lines = readFileSync(new URL("reference_encodings.jsonl", source), "utf8").trim().split("\n");
        const references = lines.map(
          (line) => JSON.parse(line) as { text: string; ids: number[]; offsets: [number, number][] },
        );
        const texts = references.map(({ text }) => text);
        const encodings = await tokenizer.encodeBatch(texts);
        const fast = await tokenizer.encodeIds(texts);
        references.forEach(({ text, ids, offsets }, index) => {
          const { cls, sep } = tokenizer.special;
          const units = codePointToUnit(text);
          const unit = (point: number): number => units?.[point] ?? point;
          const encoding = encodings[index]!;
          expect([cls, ...encoding.ids, sep], text).toEqual(ids);
          expect([cls, ...fast[index]!.ids, sep], text).toEqual(ids);
          const inner = offsets.slice(1, -1);
          expect(Array.from(encoding.starts), text).toEqual(inner.map(([start]) => unit(start)));
          expect(Array.from(encoding.ends), text).toEqual(inner.map(([, end]) => unit(end)));
        });
        expect(references.length).toBeGreaterThan(30);
      },
    );
  }

  const uncased = new URL("../../../shared/models/bert-base-uncased/", import.meta.url);
  it.skipIf(!existsSync(uncased))(
    "vocab.txt and tokenizer.json are one tokenizer (catches a hash of file bytes)",
    async () => {
      const fromJson = await WordPiece.load(uncased.pathname);
      const fromText = await WordPiece.load(new URL("vocab.txt", uncased).pathname);
      expect(fromText.hash).toBe(fromJson.hash);
      expect(fromText.vocabSize).toBe(30_522);
      expect(fromText.specialIds).toContain(fromText.tokenToId("[unused0]"));
      expect(fromText.special).toEqual({ pad: 0, unk: 100, cls: 101, sep: 102, mask: 103, bos: 101, eos: 102 });
    },
  );
});

describe("encodeBatch", () => {
  it("counts offsets in UTF-16 units (catches code points past an emoji)", async () => {
    const tokenizer = WordPiece.fromVocabulary(TOKENS);
    const text = "😀 ab 𠀀Te\u0301 the";
    const [encoding] = await tokenizer.encodeBatch([text]);
    const slices = Array.from(encoding!.ids, (_, i) => text.slice(encoding!.starts[i], encoding!.ends[i]));
    expect(slices).toEqual(["😀", "a", "b", "𠀀", "T", "e", "the"]);
    expect(Array.from(encoding!.wordIds)).toEqual([0, 1, 1, 2, 3, 3, 4]);
    expect(tokenizer.idToToken(encoding!.ids[5]!)).toBe("##e");
  });

  it("keeps every offset inside the text, in order and off the middle of a pair, for hostile text", async () => {
    const tokenizer = WordPiece.fromVocabulary(TOKENS);
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { maxLength: 4 }), async (texts) => {
        const encodings = await tokenizer.encodeBatch(texts);
        expect(encodings.length).toBe(texts.length);
        encodings.forEach(({ ids, starts, ends, wordIds }, index) => {
          const text = texts[index]!;
          for (let i = 0; i < ids.length; i++) {
            expect(starts[i]!).toBeGreaterThanOrEqual(i === 0 ? 0 : starts[i - 1]!);
            expect(ends[i]!).toBeGreaterThanOrEqual(starts[i]!);
            expect(ends[i]!).toBeLessThanOrEqual(text.length);
            const previous = wordIds[i - 1] ?? -1;
            expect(wordIds[i]! - previous === 1 || (i > 0 && wordIds[i] === previous)).toBe(true);
            for (const at of [starts[i]!, ends[i]!]) {
              expect(
                at > 0 && at < text.length && /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1)),
              ).toBe(false);
            }
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  it("cuts pieces that spell themselves out of ASCII text (catches offsets shifted by one)", async () => {
    const tokenizer = WordPiece.fromVocabulary(TOKENS);
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[a-zA-Z0-9!,. ]{0,40}$/), async (text) => {
        const [encoding] = await tokenizer.encodeBatch([text]);
        encoding!.ids.forEach((id, i) => {
          const piece = tokenizer.idToToken(id)!.replace(/^##/, "");
          expect(text.slice(encoding!.starts[i], encoding!.ends[i]).toLowerCase()).toBe(piece);
        });
        expect((await tokenizer.decode(encoding!.ids)).replaceAll(" ", "")).toBe(
          text.toLowerCase().replaceAll(" ", ""),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe("encodeIds", () => {
  for (const options of [
    {},
    { lowercase: false },
    { stripAccents: false },
    { handleChineseChars: false, cleanText: false },
    { lowercase: false, stripAccents: true },
  ]) {
    it(`equals the library, as encodeBatch does, on hostile text with ${JSON.stringify(options)} (catches a second table of Unicode)`, async () => {
      const tokenizer = WordPiece.fromVocabulary(TOKENS, { maxInputCharsPerWord: 12, ...options });
      const library = libraryOnly(TOKENS, { maxInputCharsPerWord: 12, ...options });
      await fc.assert(
        fc.asyncProperty(fc.array(hostile, { maxLength: 5 }), async (texts) => {
          const slow = await library.encodeBatch(texts);
          const [full, fast] = await Promise.all([tokenizer.encodeBatch(texts), tokenizer.encodeIds(texts)]);
          expect(full).toEqual(slow);
          slow.forEach((encoding, index) => {
            const { ids, wordStarts } = fast[index]!;
            expect(Array.from(ids), JSON.stringify(texts[index])).toEqual(Array.from(encoding.ids));
            expect(Array.from(wordStarts), JSON.stringify(texts[index])).toEqual(startsOf(encoding));
          });
        }),
        { numRuns: 400 },
      );
    });
  }

  it("equals the library on mild text, where places come from the cache (catches a piece measured with its prefix)", async () => {
    const tokenizer = WordPiece.fromVocabulary(TOKENS, { maxInputCharsPerWord: 12 });
    const library = libraryOnly(TOKENS, { maxInputCharsPerWord: 12 });
    const parts = [
      "the",
      "un",
      "able",
      "Éa",
      "ï",
      "b",
      "q",
      "日本",
      "語",
      ";",
      "\u037e",
      "\t",
      " ",
      ".",
      "—",
      "Σ",
      "Z9",
      "字",
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.constantFrom(...parts), { maxLength: 12 }), { maxLength: 4 }),
        async (lists) => {
          const texts = lists.map((list) => list.join(""));
          expect(await tokenizer.encodeBatch(texts)).toEqual(await library.encodeBatch(texts));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("gives concurrent calls their own pieces (catches words met by one call and spelled by another)", async () => {
    const tokenizer = WordPiece.fromVocabulary(TOKENS);
    const texts = Array.from({ length: 50 }, (_, i) => `unable word${i} the ${i}`);
    const together = await Promise.all(texts.map((text) => tokenizer.encodeIds([text])));
    const alone = await tokenizer.encodeBatch(texts);
    together.forEach(([encoding], i) => {
      expect(Array.from(encoding!.ids)).toEqual(Array.from(alone[i]!.ids));
    });
  });
});

describe("files", () => {
  it("saves what it loads again, numbers in the vocabulary included (catches ids sorted as object keys)", async () => {
    const tokens = [...SPECIAL, "b", "7", "a", "3", "__proto__", "##c", '"', "\\"];
    const tokenizer = WordPiece.fromVocabulary(tokens, { lowercase: false, modelMaxLength: 64 });
    await tokenizer.save(folder);
    for (const path of [folder, join(folder, "vocab.txt"), join(folder, "tokenizer.json")]) {
      const again = await WordPiece.load(path);
      expect(again.hash, path).toBe(tokenizer.hash);
      expect(again.options).toEqual(tokenizer.options);
      expect(tokens.map((token) => again.tokenToId(token))).toEqual(tokens.map((_, id) => id));
    }
    const text = await readFile(join(folder, "tokenizer.json"), "utf8");
    expect(text.indexOf('"b": 5')).toBeLessThan(text.indexOf('"3": 8'));
    expect(await loadTokenizer(folder)).toBeInstanceOf(WordPiece);
  });

  it("keeps unknown keys of tokenizer_config.json and takes unk_token from it", async () => {
    const path = join(folder, "named");
    await WordPiece.fromVocabulary(["<unk>", "a"], { unkToken: "<unk>" }).save(path);
    const config = join(path, "tokenizer_config.json");
    await writeFile(config, JSON.stringify({ ...JSON.parse(await readFile(config, "utf8")), never_split: ["x"] }));
    await rm(join(path, "tokenizer.json"));
    const tokenizer = await WordPiece.load(path);
    expect(tokenizer.special.unk).toBe(0);
    await tokenizer.save(path);
    expect(JSON.parse(await readFile(config, "utf8"))).toMatchObject({ never_split: ["x"], unk_token: "<unk>" });
  });

  it("does not cut texts although the file says so (catches truncation left in tokenizer.json)", async () => {
    const text = wordPieceFileText([...SPECIAL, "a"], resolveWordPieceOptions({}));
    const truncation = '{"direction":"Right","max_length":2,"strategy":"LongestFirst","stride":0}';
    const path = join(folder, "cut.json");
    await writeFile(path, text.replace('"truncation": null', `"truncation": ${truncation}`));
    const tokenizer = await WordPiece.load(path);
    const [encoding] = await tokenizer.encodeBatch(["a a a a"]);
    expect(encoding!.ids.length).toBe(4);
    expect(tokenizer.hash).toBe(WordPiece.fromVocabulary([...SPECIAL, "a"]).hash);
  });

  it("reads other kinds through the library", async () => {
    const path = join(folder, "words.json");
    const model = { type: "WordLevel", vocab: { "<unk>": 0, hello: 1 }, unk_token: "<unk>" };
    await writeFile(
      path,
      JSON.stringify({ version: "1.0", added_tokens: [], pre_tokenizer: { type: "Whitespace" }, model }),
    );
    const tokenizer = await loadTokenizer(path);
    const [encoding] = await tokenizer.encodeBatch(["hello 😀 hello"]);
    expect(Array.from(encoding!.ids)).toEqual([1, 0, 1]);
    expect(Array.from(encoding!.starts)).toEqual([0, 6, 9]);
    await expect(WordPiece.load(path)).rejects.toMatchObject({ code: "TOKENIZER_KIND" });
  });
});

describe("bad input", () => {
  const cases: [string, string, string][] = [
    ["empty.txt", "", "TOKENIZER_VOCAB_EMPTY"],
    ["no-unk/vocab.txt", "a\nb\n", "TOKENIZER_UNK_MISSING"],
    ["broken.json", '{"model": ', "TOKENIZER_FILE_MALFORMED"],
    ["list.json", "[1]", "TOKENIZER_FILE_MALFORMED"],
    ["no-model.json", "{}", "TOKENIZER_FILE_MALFORMED"],
    ["bad-id.json", '{"model":{"type":"WordPiece","vocab":{"a":-1}}}', "TOKENIZER_FILE_MALFORMED"],
    ["twice.json", '{"model":{"type":"WordPiece","vocab":{"a":1,"b":1}}}', "TOKENIZER_ID_TWICE"],
    ["refused.json", '{"model":{"type":"WordPiece","vocab":{"[UNK]":0}}}', "TOKENIZER_FILE_MALFORMED"],
  ];
  for (const [name, text, code] of cases) {
    it(`${name} is ${code}`, async () => {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
      await expect(WordPiece.load(path)).rejects.toMatchObject({ name: "CheckpointError", code, path });
    });
  }

  it("an added token needs a whole number (bug: a token that no id of the vocabulary finds)", () => {
    for (const id of [-1, 0.5, "3"]) {
      const text = JSON.stringify({ added_tokens: [{ content: "x", id }], model: { vocab: { "[UNK]": 0 } } });
      expect(() => parseTokenizerFile(text, "added.json")).toThrow(/added_tokens\[0\]: ids must be integers from 0/);
    }
  });

  it("names missing files, folders without a tokenizer, and text that is not UTF-8", async () => {
    await expect(WordPiece.load(join(folder, "nothing"))).rejects.toMatchObject({ code: "TOKENIZER_FILE_MISSING" });
    await expect(loadTokenizer(join(folder, "no-unk", "nothing"))).rejects.toMatchObject({
      code: "TOKENIZER_FILE_MISSING",
    });
    await expect(loadTokenizer(tmpdir())).rejects.toMatchObject({ code: "TOKENIZER_FILE_MISSING" });
    await writeFile(join(folder, "latin1.txt"), Buffer.from([0x5b, 0xe9, 0x0a]));
    await expect(WordPiece.load(join(folder, "latin1.txt"))).rejects.toMatchObject({ code: "TOKENIZER_FILE_ENCODING" });
    expect(() => WordPiece.fromVocabulary(["a"])).toThrow(/TOKENIZER_UNK_MISSING/);
    expect(() => WordPiece.fromVocabulary(["[UNK]", "a", "a"])).toThrow(/TOKENIZER_TOKEN_TWICE/);
    expect(() => WordPiece.fromVocabulary(["[UNK]"], { lowerCase: true } as object)).toThrow(/lowercase/);
  });

  it("leaves no folder that looks like a tokenizer's where a file cannot be written (bug: tokenizer.json first, in place)", async () => {
    const target = join(folder, "blocked");
    await mkdir(join(target, "vocab.txt"), { recursive: true });
    const tokenizer = WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]);
    await expect(tokenizer.save(target)).rejects.toMatchObject({ path: expect.stringContaining("vocab.txt") });
    expect(existsSync(join(target, "tokenizer.json"))).toBe(false);
    const taken = join(folder, "a-file");
    await writeFile(taken, "");
    await expect(tokenizer.save(taken)).rejects.toMatchObject({ code: "NOT_WRITABLE" });
  });
});
