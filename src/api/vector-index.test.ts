import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { firstEntries, manyEntries, numEntries } from "../../tests/support/many-entries.ts";
import { memoryTable, pairedModel, pairedRows } from "../../tests/support/paired-words.ts";
import type { Backend } from "../backend/backend.ts";
import { type TableRow, TableSource } from "../data/table.ts";
import { openEngine } from "../runtime.ts";
import { embed } from "./embed.ts";
import { saveModel } from "./model.ts";
import { buildIndex, indexInfo, openIndex, removeFromIndex, searchIndex, type VectorIndex } from "./vector-index.ts";

const model = pairedModel();
const rows = pairedRows(60, 4).map(({ id, question: text, answer, topic }) => ({ id, text, answer, topic }));
const table = memoryTable("faq.jsonl", rows);
const texts = ["ask1 the old", "new ask7 of"];

let folder = "";
let engine: Backend;
let count = 0;
const newFolder = (): string => join(folder, `index-${count++}`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-index-"));
  engine = await openEngine({ threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true, force: true });
});

async function build(path: string, source = table, options: Partial<Parameters<typeof buildIndex>[2]> = {}) {
  const { index, result } = await buildIndex(path, source, { model, engine, ...options });
  return { index, result };
}

async function built(source = table): Promise<string> {
  const path = newFolder();
  const { index } = await build(path, source);
  await index.dispose();
  return path;
}

async function using<T>(path: string, work: (index: VectorIndex) => Promise<T>): Promise<T> {
  const index = await openIndex(path, { model, engine });
  try {
    return await work(index);
  } finally {
    await index.dispose();
  }
}

const failure = (work: Promise<unknown>): Promise<{ readonly code?: string; readonly message?: string }> =>
  work.then(
    () => ({}),
    (error: unknown) => error as { readonly code?: string; readonly message?: string },
  );

describe("an index", () => {
  it("finds what comparing all vectors finds, with the row's own fields (catches distances taken for scores)", async () => {
    const path = newFolder();
    const { index, result } = await build(path);
    expect(result).toEqual({ added: 60, kept: 0, isWhole: true });
    const found = await index.search(texts, { count: 5 });
    await index.dispose();
    const vectors = await embed(
      model,
      rows.map(({ text }) => text),
      { engine },
    );
    const asked = await embed(model, texts, { engine });
    found.forEach((own, q) => {
      const scores = vectors.map((vector) => vector.reduce((sum, x, i) => sum + x * asked[q]![i]!, 0));
      const best = scores.toSorted((a, b) => b - a).slice(0, 5);
      own.forEach(({ id, text, fields, score }, place) => {
        expect(score).toBeCloseTo(best[place]!, 4);
        expect(scores[Number(id)]!).toBeCloseTo(best[place]!, 4);
        expect({ ...fields, text }).toEqual(rows[Number(id)]);
      });
    });
    expect(await searchIndex(path, texts, { model, engine, count: 5 })).toEqual(found);
  });

  it("takes entries in, replaces and loses them (catches an old vector under a new text)", async () => {
    const path = await built();
    const changed = memoryTable("changed", [
      { id: "5", text: "ask9 my", answer: "other" },
      { id: "it's new", text: "ask8", answer: "quoted" },
    ]);
    await using(path, async (index) => {
      expect(await failure(index.add(changed))).toMatchObject({ code: "ID_TAKEN" });
      expect(await index.info()).toMatchObject({ numEntries: 60, pending: [] });
      expect(await index.add(changed, { existing: "replace" })).toMatchObject({ added: 2 });
      const best = (await index.search(["ask9 my"], { count: 1 }))[0]![0]!;
      expect(best).toMatchObject({ id: "5", text: "ask9 my", fields: { answer: "other" } });
      expect(best.score).toBeCloseTo(1, 4);
    });
    expect(await removeFromIndex(path, ["5", "it's new", "nobody"])).toBe(2);
    expect(await indexInfo(path)).toMatchObject({ numEntries: 59, pending: [] });
    const left = await using(path, (index) => index.search(["ask9 my"], { count: 100 }));
    expect(left[0]!.map(({ id }) => id)).not.toContain("5");
    expect(left[0]).toHaveLength(59);
  });

  it("refuses rows that cannot be entries, naming file and line", async () => {
    const refused = async (...own: object[]) => failure(build(newFolder(), memoryTable("faq.jsonl", own)));
    const good = { id: "a", text: "ask1" };
    expect((await refused(good, { id: "b", text: " " })).message).toContain(
      "faq.jsonl: line 2: the text in column text is empty",
    );
    expect((await refused(good, { ...good, text: "ask2" })).message).toContain(
      'line 2: the id "a" stands in line 1 too',
    );
    expect(await refused({ id: "", text: "ask1" })).toMatchObject({ code: "ID_EMPTY" });
    // Two ids that differ in it would become one in the store.
    const half = await refused(good, { id: "b\ud83d", text: "ask1" });
    expect(half).toMatchObject({ code: "ID_INVALID" });
    expect(half.message).toContain('faq.jsonl: line 2: the id "b\\ud83d" in column id holds half of a surrogate pair');
    expect(await failure(build(newFolder(), memoryTable("x", [{ text: "ask1" }]), { idColumn: "id" }))).toMatchObject({
      code: "COLUMN_UNKNOWN",
    });
    const path = newFolder();
    await (
      await build(path, memoryTable("x", [{ text: "ask1" }, { text: "ask1" }]), { idColumn: null })
    ).index.dispose();
    expect((await searchIndex(path, ["ask1"], { model, engine }))[0]!.map(({ id }) => id)).toEqual(["1", "2"]);
  });

  it("refuses an empty question, a wrong count, and columns that are one", async () => {
    const path = await built();
    expect(await failure(searchIndex(path, ["ask1", " "], { model, engine }))).toMatchObject({ code: "TEXT_EMPTY" });
    expect(await failure(searchIndex(path, ["ask1"], { model, engine, count: 0 }))).toMatchObject({
      code: "CONFIG_RANGE",
    });
    expect(await failure(build(newFolder(), table, { idColumn: "text" }))).toMatchObject({ code: "CONFIG_AMBIGUOUS" });
  });

  it("refuses another model, and one whose vectors are longer (catches scores between strangers)", async () => {
    const path = await built();
    const stranger = { model: pairedModel(2), engine };
    const error = await failure(openIndex(path, stranger));
    expect(error).toMatchObject({ code: "INDEX_MODEL_MISMATCH" });
    expect(error.message).toMatch(/made with another model.*there and .* here/);
    expect(await failure(openIndex(path, { model: pairedModel(1, 48), engine }))).toMatchObject({
      code: "INDEX_MODEL_MISMATCH",
    });
    // A manifest that says other sizes than the entries have.
    const file = join(path, "index.json");
    const manifest = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...manifest, model: { ...manifest.model, dimension: 48 } }));
    expect(await failure(openIndex(path, { model, engine }))).toMatchObject({ code: "DIMENSION_MISMATCH" });
  });

  it("refuses folders that are no index, of a newer format, damaged, or taken", async () => {
    const path = await built();
    expect(await failure(openIndex(join(folder, "nowhere"), { model, engine }))).toMatchObject({
      code: "INDEX_MISSING",
    });
    expect(await failure(indexInfo(folder))).toMatchObject({ code: "INDEX_MISSING" });
    expect(await failure(build(path))).toMatchObject({ code: "INDEX_EXISTS" });
    const taken = newFolder();
    await mkdir(taken);
    await writeFile(join(taken, "notes.txt"), "mine");
    expect(await failure(build(taken))).toMatchObject({ code: "OUTPUT_EXISTS" });
    const file = join(path, "index.json");
    const manifest = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...manifest, format: 2 }));
    const newer = await failure(indexInfo(path));
    expect(newer).toMatchObject({ code: "INDEX_TOO_NEW" });
    expect(newer.message).toContain("is in format 2, this program reads up to 1");
    await writeFile(file, JSON.stringify({ ...manifest, model: {} }));
    expect(await failure(indexInfo(path))).toMatchObject({ code: "INDEX_DAMAGED" });
    await writeFile(file, "{");
    expect(await failure(indexInfo(path))).toMatchObject({ code: "JSON_INVALID" });
  });

  it("says that its model is not where it was, and finds it where it is", async () => {
    const home = join(folder, "model");
    await saveModel(home, model);
    const path = newFolder();
    const { index } = await buildIndex(path, table, { model: home, engine });
    await index.dispose();
    expect((await searchIndex(path, texts, { engine, count: 1 }))[0]).toHaveLength(1);
    await cp(home, join(folder, "moved"), { recursive: true });
    await rm(home, { recursive: true });
    expect(await failure(searchIndex(path, texts, { engine }))).toMatchObject({ code: "MODEL_MISSING" });
    expect((await searchIndex(path, texts, { model, engine, count: 1 }))[0]).toHaveLength(1);
  });
});

describe("an index with several writers", () => {
  it("lets one change it at a time, and the next see what that one did (catches ids that are taken in twice)", async () => {
    const path = await built();
    const more = memoryTable("more", [{ id: "new", text: "ask1 the" }]);
    const slow = new TableSource(
      "slow",
      async function* (): AsyncGenerator<TableRow> {
        yield { fields: { id: "slow", text: "ask2" }, line: 1 };
        // Others come while rows are still being read.
        const others = [
          () => other.add(more),
          () => own.add(more),
          () => other.setThreshold(null),
          () => removeFromIndex(path, ["1"]),
        ];
        for (const change of others) expect(await failure(change())).toMatchObject({ code: "INDEX_LOCKED" });
      },
      {},
    );
    const [own, other] = [await openIndex(path, { model, engine }), await openIndex(path, { model, engine })];
    expect(await own.add(slow)).toMatchObject({ added: 1, isWhole: true });
    expect(await failure(other.add(memoryTable("again", [{ id: "slow", text: "ask3" }])))).toMatchObject({
      code: "ID_TAKEN",
    });
    await own.setThreshold({ value: 0.5, reranker: null, aim: "test" });
    expect(await other.add(more)).toMatchObject({ added: 1 });
    // What the first one kept was not overwritten by what the second one knew.
    expect(await indexInfo(path)).toMatchObject({ numEntries: 62, pending: [], threshold: { value: 0.5 } });
    expect((await other.search(["ask2"], { count: 62 }))[0]!.map(({ id }) => id)).toContain("slow");
    await Promise.all([own.dispose(), other.dispose()]);
  });
});

describe("columns that are not named", () => {
  it("are text or question, and id or the line (catches an index of another column without a word)", async () => {
    const path = newFolder();
    const { index } = await build(path, memoryTable("faq.csv", [{ question: "ask1 the", answer: "say1" }]));
    expect(await index.info()).toMatchObject({ textColumn: "question", idColumn: null });
    expect((await index.search(["ask1"]))[0]).toMatchObject([
      { id: "1", text: "ask1 the", fields: { answer: "say1" } },
    ]);
    await index.dispose();
    const both = newFolder();
    const second = await build(both, memoryTable("faq.csv", [{ id: "a", text: "ask2", question: "ask1" }]));
    expect(await second.index.info()).toMatchObject({ textColumn: "text", idColumn: "id" });
    await second.index.dispose();
    const neither = newFolder();
    const error = await failure(build(neither, memoryTable("faq.csv", [{ title: "ask2", body: "ask1" }])));
    expect(error).toMatchObject({ code: "COLUMN_NEEDED" });
    expect(error.message).toContain("(title, body)");
    // What cannot be read leaves nothing behind.
    expect(existsSync(neither)).toBe(false);
  });

  it("must be those that an unfinished index was begun with", async () => {
    const path = newFolder();
    const controller = new AbortController();
    const options = { signal: controller.signal, onProgress: () => controller.abort() };
    await (await build(path, manyEntries, options)).index.dispose();
    const error = await failure(build(path, manyEntries, { textColumn: "id", idColumn: null }));
    expect(error).toMatchObject({ code: "INDEX_SETTINGS_MISMATCH" });
    expect(error.message).toContain("textColumn text there and id now, idColumn id there and line now");
    // One that could not be begun leaves nothing that would be in the way.
    const empty = newFolder();
    const broken = memoryTable("faq.jsonl", [
      { id: "a", text: "ask1", other: "ask2" },
      { id: "b", text: "", other: "ask3" },
    ]);
    expect(await failure(build(empty, broken))).toMatchObject({ code: "TEXT_EMPTY" });
    expect(existsSync(empty)).toBe(false);
    const { index, result } = await build(empty, broken, { textColumn: "other", model: pairedModel(3, 48) });
    expect(result).toMatchObject({ added: 2, isWhole: true });
    await index.dispose();
  });
});

describe("a broken-off index", () => {
  it("goes on after an interruption with what is missing (catches entries twice, or never)", async () => {
    const path = newFolder();
    const controller = new AbortController();
    const options = { signal: controller.signal, onProgress: () => controller.abort() };
    const first = await build(path, manyEntries, options);
    await first.index.dispose();
    expect(first.result).toEqual({ added: 4_096, kept: 0, isWhole: false });
    expect((await indexInfo(path)).building).toBe("many.jsonl");
    // Another file's index must not be mixed with it.
    expect(await failure(build(path, table))).toMatchObject({ code: "INDEX_EXISTS" });
    const second = await build(path, manyEntries);
    await second.index.dispose();
    expect(second.result).toEqual({ added: numEntries - 4_096, kept: 4_096, isWhole: true });
    expect(await indexInfo(path)).toMatchObject({ numEntries, building: null, pending: [] });
  });

  it("has all that was written when it is killed, and goes on (catches a half-written part, or a lost one)", async () => {
    const path = newFolder();
    const script = fileURLToPath(new URL("../../tests/support/killed-index.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, path], { stdio: ["ignore", "pipe", "pipe"] });
    let [told, errors] = [0, ""];
    child.stderr.on("data", (text) => {
      errors += text;
    });
    const ended = new Promise((resolve) => {
      child.on("close", (_, name) => resolve(name));
    });
    await new Promise<void>((resolve) => {
      child.stdout.on("data", (text) => {
        told = Number(String(text).trim().split("\n").at(-1));
        if (told >= 4_096) resolve();
      });
      ended.then(() => resolve());
    });
    // While it runs nobody else may write; everybody may read.
    const locked = await failure(build(path, manyEntries));
    expect(locked, errors).toMatchObject({ code: "INDEX_LOCKED" });
    expect(locked.message).toContain(`by process ${child.pid} on`);
    expect(await failure(removeFromIndex(path, ["q1"]))).toMatchObject({ code: "INDEX_LOCKED" });
    expect((await indexInfo(path)).numEntries).toBeGreaterThanOrEqual(4_096);
    // In the middle of the next part's vectors, or of its writing.
    setTimeout(() => child.kill("SIGKILL"), Math.random() * 200);
    expect(await ended, errors).toBe("SIGKILL");
    const broken = await indexInfo(path);
    expect(broken.building).toBe("many.jsonl");
    expect(broken.numEntries).toBeGreaterThanOrEqual(told);
    expect(broken.numEntries % 4_096 === 0 || broken.numEntries === numEntries).toBe(true);
    const { index, result } = await build(path, manyEntries);
    expect(result).toEqual({ added: numEntries - broken.numEntries, kept: broken.numEntries, isWhole: true });
    const ids = new Set<string>();
    for await (const { id, fields } of index.entries()) {
      expect(fields.id).toBe(id);
      ids.add(id);
    }
    await index.dispose();
    expect(ids.size).toBe(numEntries);
  });
});

describe("an index of nearest neighbours", () => {
  it("finds nearly what comparing all finds, its recall measured (catches scores of another distance)", async () => {
    const path = newFolder();
    const { index } = await build(path, firstEntries(2_000), { neighbours: "always" });
    const { neighbours } = await index.info();
    expect(neighbours).toMatchObject({ numEntries: 2_000, numPartitions: 45, numQueries: 100 });
    expect(neighbours!.recall).toBeGreaterThanOrEqual(0.95);
    const [exact, near] = [
      await index.search(texts, { count: 10, isExact: true }),
      await index.search(texts, { count: 10 }),
    ];
    near.forEach((own, q) => {
      // Many texts are the same: scores are compared, not ids.
      own.forEach(({ score }, place) => {
        expect(score).toBeLessThanOrEqual(exact[q]![place]!.score + 1e-4);
      });
      expect(own[0]!.score).toBeCloseTo(exact[q]![0]!.score, 2);
    });
    // New entries are found before the partitions know them.
    await index.add(memoryTable("more", [{ id: "new", text: "ask1 the old", number: -1 }]), { neighbours: "never" });
    const ids = (await index.search(["ask1 the old"], { count: 200, isExact: true }))[0]!.map(({ id }) => id);
    expect(ids).toContain("new");
    await index.dispose();
  });
});
