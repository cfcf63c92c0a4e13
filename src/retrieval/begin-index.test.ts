import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TableRow, TableSource } from "../data/table.ts";
import { beginIndex, type IndexBeginning } from "./begin-index.ts";
import { type AddOptions, EntryIndex } from "./entry-index.ts";
import { storeFolder } from "./entry-store.ts";
import { readIndexManifest } from "./index-manifest.ts";

/** Rows that are written together. */
const CHUNK = 4_096;

let home = "";
let number = 0;
const newFolder = (): string => join(home, `index-${number++}`);

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "firth-begin-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const wanted: IndexBeginning = {
  model: {
    fingerprint: "one",
    family: "bert",
    folder: null,
    dimension: 2,
    pooling: "mean",
    layer: 1,
    maxSeqLength: 8,
  },
  idColumn: "id",
  textColumn: "text",
};

let embedded = 0;
const embed = async (texts: readonly string[]): Promise<Float32Array[]> => {
  embedded += texts.length;
  return texts.map((text) => Float32Array.of(Math.cos(text.length), Math.sin(text.length)));
};

type Row = { readonly id: string; readonly text: string };
const rowsOf = (count: number): Row[] => Array.from({ length: count }, (_, i) => ({ id: `${i}`, text: `text ${i}` }));

function tableOf(rows: readonly Row[], name = "faq.jsonl", isReadOnce = false): TableSource {
  return new TableSource(
    name,
    async function* (): AsyncGenerator<TableRow> {
      for (const [i, fields] of rows.entries()) yield { fields: { ...fields }, line: i + 1 };
    },
    { isReadOnce },
  );
}

/** Makes an index as users of this folder do. */
async function make(folder: string, source: TableSource, options: AddOptions = {}, beginning = wanted) {
  const begun = await beginIndex(folder, source.name, beginning);
  try {
    const index = await EntryIndex.open(folder);
    try {
      return await index.build(source, embed, options, begun.lock);
    } finally {
      index.close();
    }
  } finally {
    await begun.end();
  }
}

async function using<T>(folder: string, work: (index: EntryIndex) => Promise<T>): Promise<T> {
  const index = await EntryIndex.open(folder);
  try {
    return await work(index);
  } finally {
    index.close();
  }
}

const numIn = (folder: string): Promise<number> => using(folder, async (index) => (await index.info()).numEntries);

async function failure(work: Promise<unknown>): Promise<{ readonly code?: string; readonly message?: string }> {
  return work.then(
    () => ({}),
    (error: unknown) => error as { readonly code?: string; readonly message?: string },
  );
}

const bad = (rows: readonly Row[], at: number): Row[] => rows.with(at, { id: `${at}`, text: " " });

/** An index whose making a bad row of a stream has ended after one part. */
async function halfMade(): Promise<string> {
  const folder = newFolder();
  const stream = tableOf(bad(rowsOf(CHUNK + 2), CHUNK + 1), "faq.jsonl", true);
  expect(await failure(make(folder, stream))).toMatchObject({ code: "TEXT_EMPTY" });
  return folder;
}

describe("the making of an index that fails", () => {
  it("has looked at all rows before the first is embedded, and leaves no folder (bug: an index of nothing that must be removed by hand)", async () => {
    embedded = 0;
    const above = newFolder();
    const folder = join(above, "deep", "index");
    const error = await failure(make(folder, tableOf(bad(rowsOf(CHUNK + 2), CHUNK + 1))));
    expect(error.message).toContain(`faq.jsonl: line ${CHUNK + 2}: the text in column text is empty`);
    expect([embedded, existsSync(above)]).toEqual([0, false]);
    // An id that comes again in another part.
    const twice = await failure(make(folder, tableOf([...rowsOf(CHUNK), { id: "7", text: "again" }])));
    expect(twice).toMatchObject({ code: "ID_TWICE" });
    expect(twice.message).toContain(`line ${CHUNK + 1}: the id "7" stands in line 8 too`);
    expect(existsSync(above)).toBe(false);
    // The user's own folder stays, as it was.
    await mkdir(above);
    expect(await failure(make(above, tableOf(bad(rowsOf(2), 1))))).toMatchObject({ code: "TEXT_EMPTY" });
    expect(await readdir(above)).toEqual([]);
  });

  it("touches nothing that is not its own", async () => {
    const folder = newFolder();
    await mkdir(folder);
    await writeFile(join(folder, "notes.txt"), "mine");
    expect(await failure(make(folder, tableOf(rowsOf(2))))).toMatchObject({ code: "OUTPUT_EXISTS" });
    expect(await readdir(folder)).toEqual(["notes.txt"]);
    expect(await failure(make(join(folder, "notes.txt", "index"), tableOf(rowsOf(2))))).toMatchObject({
      code: "NOT_WRITABLE",
    });
  });

  it("is ended without a trace by a signal that comes before the first part", async () => {
    const folder = newFolder();
    const signal = AbortSignal.abort(new Error("by hand"));
    expect((await failure(make(folder, tableOf(rowsOf(2)), { signal }))).message).toBe("by hand");
    expect(existsSync(folder)).toBe(false);
  });
});

describe("the making of an index that was broken off", () => {
  it("goes on with the same source, model and columns, and refuses others by what they are (bug: two files in one index)", async () => {
    const folder = await halfMade();
    const whole = rowsOf(CHUNK + 2);
    const refused = (source: TableSource, beginning = wanted) => failure(make(folder, source, {}, beginning));
    const other = await refused(tableOf(whole, "other.jsonl"));
    expect(other).toMatchObject({ code: "INDEX_EXISTS" });
    expect(other.message).toContain("was begun with faq.jsonl; got other.jsonl, and broken off after 4096 entries");
    const stranger = await refused(tableOf(whole), { ...wanted, model: { ...wanted.model, fingerprint: "two" } });
    expect(stranger).toMatchObject({ code: "INDEX_MODEL_MISMATCH" });
    expect(await refused(tableOf(whole), { ...wanted, textColumn: "id", idColumn: null })).toMatchObject({
      code: "INDEX_SETTINGS_MISMATCH",
    });
    expect(await numIn(folder)).toBe(CHUNK);
    // The same file by another name.
    const same = relative(process.cwd(), join(process.cwd(), "sub", "..", "faq.jsonl"));
    expect(await make(folder, tableOf(whole, `./${same}`))).toEqual({ added: 2, kept: CHUNK, isWhole: true });
    expect(await readIndexManifest(folder)).toMatchObject({ building: null, pending: [] });
    expect(await refused(tableOf(whole))).toMatchObject({ code: "INDEX_EXISTS" });
  });

  it("does not go on with rows that have changed meanwhile (bug: entries that no file has)", async () => {
    const folder = await halfMade();
    const whole = rowsOf(CHUNK + 2);
    const changed = await failure(make(folder, tableOf(whole.with(9, { id: "9", text: "new" }))));
    expect(changed).toMatchObject({ code: "INDEX_SOURCE_CHANGED" });
    expect(changed.message).toContain(
      "faq.jsonl: has changed since the index of it was begun: line 10 has another text",
    );
    const fewer = await failure(make(folder, tableOf(whole.toSpliced(5, 2))));
    expect(fewer).toMatchObject({ code: "INDEX_SOURCE_CHANGED" });
    expect(fewer.message).toContain("2 entries of the index are not in it any more");
    expect(await numIn(folder)).toBe(CHUNK);
    expect(await make(folder, tableOf(whole))).toMatchObject({ added: 2, kept: CHUNK });
  });

  it("begins anew with whatever comes where nothing was put in (bug: folders of which nobody gets rid)", async () => {
    const begin = async (folder: string) => (await beginIndex(folder, "faq.jsonl", wanted)).lock.release();
    /** What a kill may leave, at every step of a beginning. */
    const states: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
      "a folder": async () => undefined,
      "half a manifest": (folder) => writeFile(join(folder, ".index.json.partial-0123456789ab"), "{"),
      "a manifest": begin,
      "entries without a version": async (folder) => {
        await begin(folder);
        await mkdir(join(folder, storeFolder, "_versions"), { recursive: true });
        await mkdir(join(folder, storeFolder, "_transactions"));
      },
      "no entries": async (folder) => {
        await begin(folder);
        (await EntryIndex.open(folder)).close();
      },
    };
    for (const [name, leave] of Object.entries(states)) {
      const folder = newFolder();
      await mkdir(folder);
      await leave(folder);
      const another = { ...wanted, model: { ...wanted.model, fingerprint: "two", dimension: 2 } };
      expect(await make(folder, tableOf(rowsOf(3), "other.jsonl"), {}, another), name).toMatchObject({ added: 3 });
      expect((await readdir(folder)).sort(), name).toEqual(["__manifest", storeFolder, "index.json"]);
    }
    // A failure then leaves no folder either.
    const folder = newFolder();
    await begin(folder);
    expect(await failure(make(folder, tableOf(bad(rowsOf(2), 1))))).toMatchObject({ code: "TEXT_EMPTY" });
    expect(existsSync(folder)).toBe(false);
  });
});

describe("adding to an index", () => {
  it("looks at all rows first: a bad one leaves the index as it was (bug: half a file in it)", async () => {
    const folder = newFolder();
    await make(folder, tableOf(rowsOf(3)));
    const before = await readFile(join(folder, "index.json"), "utf8");
    const more = rowsOf(CHUNK + 9).slice(3);
    const rows = [...more, { id: "1", text: "taken" }];
    await using(folder, async (index) => {
      expect(await failure(index.add(tableOf(rows, "more.jsonl"), embed))).toMatchObject({ code: "ID_TAKEN" });
      expect((await index.info()).numEntries).toBe(3);
    });
    expect(await readFile(join(folder, "index.json"), "utf8")).toBe(before);
  });

  it("is refused while the index is still being made, and remembers every file that was broken off", async () => {
    const half = await halfMade();
    const refused = await using(half, (index) => failure(index.add(tableOf(rowsOf(1), "more.jsonl"), embed)));
    expect(refused).toMatchObject({ code: "INDEX_UNFINISHED" });
    const folder = newFolder();
    await make(folder, tableOf([{ id: "first", text: "first" }]));
    const many = rowsOf(2 * CHUNK);
    const others = many.map(({ id, text }) => ({ id: `o${id}`, text }));
    await using(folder, async (index) => {
      for (const source of [tableOf(many, "many.jsonl"), tableOf(others, "others.jsonl")]) {
        const controller = new AbortController();
        const stopped = { signal: controller.signal, onProgress: () => controller.abort() };
        expect(await index.add(source, embed, stopped)).toEqual({ added: CHUNK, kept: 0, isWhole: false });
      }
      expect((await index.info()).pending).toEqual(["many.jsonl", "others.jsonl"]);
      expect(await index.add(tableOf(many, "many.jsonl"), embed)).toEqual({ added: CHUNK, kept: CHUNK, isWhole: true });
      expect((await index.info()).pending).toEqual(["others.jsonl"]);
      expect(await index.add(tableOf(others, "others.jsonl"), embed)).toMatchObject({ kept: CHUNK, isWhole: true });
      expect(await index.info()).toMatchObject({ pending: [], numEntries: 1 + 4 * CHUNK });
    });
    // An index of the file that is being added is another thing.
    expect(await failure(make(folder, tableOf(many, "many.jsonl")))).toMatchObject({ code: "INDEX_EXISTS" });
  });
});
