import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";
import type { TextDocument } from "./document.ts";
import type { CorpusManifest } from "./manifest.ts";
import { type PrepareOptions, prepareCorpus } from "./prepare-corpus.ts";
import { inspectCorpus, ShardedCorpus } from "./sharded-corpus.ts";
import { textDocuments } from "./source.ts";

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const pieces = Array.from({ length: 20 }, (_, i) => [String.fromCharCode(97 + i), `##${String.fromCharCode(97 + i)}`]);
const tokenizer = WordPiece.fromVocabulary([...special, ...pieces.flat()]);

/** Documents of random words of letters a–t, so that some words have several pieces. */
function randomDocuments(count: number, seed: number): TextDocument[] {
  const random = new Random(seed, "documents");
  const word = () => Array.from({ length: 1 + random.nextInt(4) }, () => pieces[random.nextInt(20)]![0]).join("");
  const sentence = () => Array.from({ length: 1 + random.nextInt(9) }, word).join(" ");
  return Array.from({ length: count }, () => Array.from({ length: 1 + random.nextInt(6) }, sentence));
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-shards-"));
});
afterAll(() => rm(folder, { recursive: true }));

let count = 0;
async function prepare(documents: readonly TextDocument[], more: Partial<PrepareOptions> = {}): Promise<string> {
  const outputFolder = join(folder, `c${count++}`);
  await prepareCorpus({ source: textDocuments(documents), tokenizer, outputFolder, ...more });
  return outputFolder;
}

async function failure(promise: Promise<unknown>): Promise<DataError> {
  const error = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

const wide: Tokenizer = Object.assign(Object.create(tokenizer) as Tokenizer, {
  vocabSize: 100_000,
  hash: "wide",
  encodeIds: async (texts: readonly string[]) =>
    (await tokenizer.encodeIds(texts)).map(({ ids, wordStarts }) => ({
      ids: ids.map((id) => id + 90_000),
      wordStarts,
    })),
});

describe("prepareCorpus and ShardedCorpus", () => {
  it.each([
    ["one shard", 1 << 20, tokenizer, 0],
    ["many shards", 4000, tokenizer, 0],
    ["ids above 65 535", 4000, wide, 90_000],
  ] as const)(
    "give every document back: %s (bug: offsets not restarted, bits left from the last shard)",
    async (_name, shardBytes, used, shift) => {
      const documents = randomDocuments(300, 1);
      const corpus = await ShardedCorpus.open(await prepare(documents, { shardBytes, tokenizer: used }), {
        tokenizer: used,
        verify: "checksums",
      });
      expect(corpus.numDocuments).toBe(300);
      expect(corpus.shards.length > 5).toBe(shardBytes < 10_000);
      const order = new Random(2).shuffle(Array.from({ length: 300 }, (_, i) => i));
      for (const i of order) {
        const expected = await tokenizer.encodeIds(documents[i]!);
        const found = corpus.document(i);
        expect([...found.tokens]).toEqual(expected.flatMap(({ ids }) => [...ids].map((id) => id + shift)));
        expect([...found.wordStarts]).toEqual(expected.flatMap(({ wordStarts }) => [...wordStarts]));
        const lengths = [...found.sentenceOffsets].slice(1).map((end, s) => end - found.sentenceOffsets[s]!);
        expect(lengths).toEqual(expected.map(({ ids }) => ids.length));
      }
      const tokens = (await tokenizer.encodeIds(documents.flat())).reduce((sum, { ids }) => sum + ids.length, 0);
      expect(corpus.numTokens).toBe(tokens);
      expect(corpus.manifest.textBytes).toBe(documents.flat().join("").length);
      corpus.close();
    },
  );

  it("writes the same bytes every time, whatever the size of the batches in flight (bug: order of completion)", async () => {
    const documents = randomDocuments(7000, 3);
    const slow: Tokenizer = Object.assign(Object.create(tokenizer) as Tokenizer, {
      hash: tokenizer.hash,
      vocabSize: tokenizer.vocabSize,
      encodeIds: async (texts: readonly string[]) => {
        await new Promise((done) => setTimeout(done, texts.length % 7));
        return tokenizer.encodeIds(texts);
      },
    });
    const manifests: CorpusManifest[] = [];
    for (const used of [tokenizer, slow]) {
      manifests.push(await inspectCorpus(await prepare(documents, { tokenizer: used, shardBytes: 60_000 })));
    }
    expect(manifests[0]!.shards.length).toBeGreaterThan(3);
    expect(manifests[1]).toEqual(manifests[0]);
  });

  it("leaves out short documents, and refuses a corpus with nothing left", async () => {
    const manifest = await inspectCorpus(await prepare([["a b c d"], ["a"], [""]], { minDocumentTokens: 2 }));
    expect([manifest.numDocuments, manifest.numTokens, manifest.textBytes]).toEqual([1, 4, 7]);
    const before = await readdir(folder);
    const error = await failure(prepare([["a"], [""]], { minDocumentTokens: 5 }));
    expect(error.code).toBe("CORPUS_EMPTY");
    expect(await readdir(folder)).toEqual(before);
  });

  it("leaves nothing behind on an error or abort, and never overwrites (bug: half a corpus looks whole)", async () => {
    const before = await readdir(folder);
    const failing: Tokenizer = Object.assign(Object.create(tokenizer) as Tokenizer, {
      hash: "x",
      vocabSize: 10,
      encodeIds: (texts: readonly string[]) => tokenizer.encodeIds(texts),
    });
    expect((await failure(prepare(randomDocuments(50, 1), { tokenizer: failing }))).code).toBe(
      "TOKEN_OUTSIDE_VOCABULARY",
    );
    const abort = new AbortController();
    const aborted = prepare(randomDocuments(2000, 1), {
      signal: abort.signal,
      shardBytes: 5000,
      onProgress: () => abort.abort(new Error("stopped by the test")),
    });
    await expect(aborted).rejects.toThrow("stopped by the test");
    expect(await readdir(folder)).toEqual(before);
    const made = await prepare([["a"]]);
    const again = prepareCorpus({ source: textDocuments([["b"]]), tokenizer, outputFolder: made });
    expect((await failure(again)).code).toBe("OUTPUT_EXISTS");
    const unwritable = prepareCorpus({
      source: textDocuments([["b"]]),
      tokenizer,
      outputFolder: join(made, "manifest.json", "sub"),
    });
    expect((await failure(unwritable)).code).toBe("OUTPUT_UNWRITABLE");
  });

  it("refuses another tokenizer", async () => {
    const error = await failure(ShardedCorpus.open(await prepare([["a"]]), { tokenizer: wide }));
    expect(error.code).toBe("TOKENIZER_MISMATCH");
    expect(error.message).toContain("vocabulary 45");
  });

  it.each([
    ["MANIFEST_TOTALS_WRONG", (m: Record<string, unknown>) => ({ ...m, numTokens: 1e9 })],
    ["MANIFEST_INVALID", (m: Record<string, unknown>) => ({ ...m, version: 99 })],
    ["MANIFEST_INVALID", (m: Record<string, unknown>) => ({ ...m, shards: [{ file: "../../etc/passwd" }] })],
    ["SHARD_SIZE_WRONG", (m: Record<string, unknown>) => ({ ...m, tokenType: "uint32" })],
  ] as const)("refuses a manifest that lies: %s", async (code, change) => {
    const made = await prepare(randomDocuments(20, 1));
    const path = join(made, "manifest.json");
    await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>)));
    expect((await failure(ShardedCorpus.open(made))).code).toBe(code);
  });

  it("refuses shards that are cut, altered or gone (bug: garbage tokens)", async () => {
    const made = await prepare(randomDocuments(200, 1));
    const path = join(made, "shard-00000.bin");
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length - 8));
    expect((await failure(ShardedCorpus.open(made))).code).toBe("SHARD_SIZE_WRONG");
    const lying = Buffer.from(whole);
    lying.writeUInt32LE(0xffff_fff0, 16);
    await writeFile(path, lying);
    expect((await failure(ShardedCorpus.open(made))).code).toBe("SHARD_SIZE_WRONG");
    await writeFile(path, whole);
    const handle = await open(path, "r+");
    await handle.write(Buffer.from([7]), 0, 1, 40);
    await handle.close();
    expect((await failure(inspectCorpus(made))).code).toBe("SHARD_DAMAGED");
    await rm(path);
    expect((await failure(ShardedCorpus.open(made))).code).toBe("SHARD_MISSING");
    expect((await failure(ShardedCorpus.open(join(folder, "none")))).code).toBe("CORPUS_MISSING");
  });
});
