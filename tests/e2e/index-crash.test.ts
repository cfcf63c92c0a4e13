/** An index whose making and adding are killed, as users run them: the built program in processes of its own. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { saveModel } from "../../src/api/model.ts";
import { searchIndex } from "../../src/api/vector-index.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { EntryIndex } from "../../src/retrieval/entry-index.ts";
import type { Entry } from "../../src/retrieval/entry-store.ts";
import { openEngine } from "../../src/runtime.ts";
import { pairedModel, pairedRows } from "../support/paired-words.ts";
import { Workplace } from "./workplace.ts";

/** Two parts and a rest: rows are committed 4,096 at a time. */
const NUM_ROWS = 8_700;
const PART = 4_096;

let place: Workplace;
let engine: Backend;
const model = pairedModel();
const faq = pairedRows(NUM_ROWS, 4).map(({ question, topic }, i) => ({ id: `q${i}`, text: question, topic }));

beforeAll(async () => {
  place = Workplace.open();
  engine = await openEngine({ threads: 1 });
  await saveModel(join(place.folder, "start"), model);
  const write = (name: string, rows: readonly object[]): void =>
    writeFileSync(join(place.folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  write("faq.jsonl", faq);
  write("few.jsonl", [{ id: "few", text: "say1 the", topic: 1 }]);
}, 300_000);
afterAll(async () => {
  await engine.dispose();
  place.close();
});

const namesIn = (...parts: string[]): string[] => {
  const path = join(place.folder, ...parts);
  return existsSync(path) ? readdirSync(path) : [];
};

/** What of an index is to be seen from outside. */
function stateOf(index: string) {
  return {
    hasManifest: namesIn(index).includes("index.json"),
    numFiles: namesIn(index, "entries.lance", "data").length,
    numVersions: namesIn(index, "entries.lance", "_versions").filter((name) => name.endsWith(".manifest")).length,
  };
}
type State = ReturnType<typeof stateOf>;

/** Kills a command when the index has come to a state, seen beside that at the beginning. @returns whether it was still running */
async function kill(index: string, when: (now: State, before: State) => boolean, ...args: string[]): Promise<boolean> {
  const before = stateOf(index);
  const child = spawn(process.execPath, [place.entry, ...args], { cwd: place.folder, stdio: "ignore" });
  let name: string | null | undefined;
  const ended = new Promise<void>((resolve) => {
    child.on("close", (_, signal) => {
      name = signal;
      resolve();
    });
  });
  while (name === undefined && !when(stateOf(index), before)) await wait(1);
  child.kill("SIGKILL");
  await ended;
  return name === "SIGKILL";
}

/** All entries by their ids; one that is there twice is an error. */
async function entriesOf(index: string): Promise<ReadonlyMap<string, Entry>> {
  const opened = await EntryIndex.open(join(place.folder, index));
  try {
    const found = new Map<string, Entry>();
    const twice: string[] = [];
    for await (const entry of opened.entries()) {
      if (found.has(entry.id)) twice.push(entry.id);
      found.set(entry.id, entry);
    }
    expect(twice).toEqual([]);
    expect((await opened.info()).numEntries).toBe(found.size);
    return found;
  } finally {
    opened.close();
  }
}

/** The same texts and fields, and vectors but for the order of sums. */
function expectSame(found: ReadonlyMap<string, Entry>, wanted: ReadonlyMap<string, Entry>): void {
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  let furthest = 0;
  for (const [id, { text, fields, vector }] of wanted) {
    const own = found.get(id)!;
    if (own.text !== text || JSON.stringify(own.fields) !== JSON.stringify(fields)) expect(own).toEqual(wanted.get(id));
    for (let k = 0; k < vector.length; k++) furthest = Math.max(furthest, Math.abs(vector[k]! - own.vector[k]!));
  }
  expect(furthest).toBeLessThan(1e-5);
}

/** What was committed is whole and answers. @returns how much it is */
async function expectSound(index: string): Promise<number> {
  const found = await entriesOf(index);
  const ids = [...found.keys()];
  const first = ids.filter((id) => id !== "few").length;
  expect([0, PART, 2 * PART, NUM_ROWS]).toContain(first);
  expect(faq.slice(0, first).filter(({ id, text }) => found.get(id)?.text !== text)).toEqual([]);
  if (ids.length > 0) {
    const asked = found.get(ids.at(-1)!)!.text;
    const [hits] = await searchIndex(join(place.folder, index), [asked], { model, engine, count: 3 });
    expect(hits![0]!.score).toBeCloseTo(1, 4);
    for (const { id } of hits!) expect(found.has(id)).toBe(true);
  }
  return first;
}

const build = (index: string): string[] => [
  "index",
  "build",
  index,
  "-m",
  "start",
  "-d",
  "faq.jsonl",
  "--threads",
  "1",
];

/** Moments of writing, in their order, as the files show them. */
const moments: Readonly<Record<string, (now: State, before: State) => boolean>> = {
  "before anything is embedded": ({ hasManifest }) => hasManifest,
  "while the first part is written": ({ numFiles }, before) => numFiles > before.numFiles,
  "when one more part was committed": ({ numVersions }, before) => numVersions > Math.max(1, before.numVersions),
  "while the next part is written": ({ numFiles }, before) => numFiles > before.numFiles,
};

test("build, killed again and again, ends with the rows of an undisturbed one (would catch lost, doubled and half-written entries)", async () => {
  const whole = place.json(...build("whole.index"));
  expect(whole).toMatchObject({ added: NUM_ROWS, kept: 0, isWhole: true });
  let last = 0;
  for (const [name, when] of Object.entries(moments)) {
    expect(await kill("faq.index", when, ...build("faq.index")), name).toBe(true);
    const now = await expectSound("faq.index");
    expect(now, name).toBeGreaterThanOrEqual(last);
    last = now;
  }
  expect(last).toBeGreaterThanOrEqual(PART);
  const found = place.run("index", "search", "faq.index", faq[0]!.text, "-k", "1", "-m", "start");
  expect([found.status, found.stdout]).toEqual([0, expect.stringMatching(/^1\.0000 {2}q/)]);
  if (last < NUM_ROWS) expect(found.stderr).toContain("making it of faq.jsonl has not come to its end");
  expect(place.json(...build("faq.index"))).toMatchObject({
    added: NUM_ROWS - last,
    kept: last,
    isWhole: true,
    building: null,
  });
  expectSame(await entriesOf("faq.index"), await entriesOf("whole.index"));
}, 300_000);

test("add, killed, goes on by the same command beside what was there (would catch a file that is added to itself)", async () => {
  place.json("index", "build", "more.index", "-m", "start", "-d", "few.jsonl");
  const add = ["index", "add", "more.index", "-d", "faq.jsonl", "--threads", "1"];
  const atCommit = ({ numVersions }: State, before: State): boolean => numVersions > before.numVersions;
  expect(await kill("more.index", atCommit, ...add)).toBe(true);
  const kept = await expectSound("more.index");
  expect(place.json("index", "info", "more.index")).toMatchObject({ building: null, pending: ["faq.jsonl"] });
  const done = place.json(...add);
  expect(done).toMatchObject({ added: NUM_ROWS - kept, kept, isWhole: true, pending: [] });
  const found = new Map(await entriesOf("more.index"));
  expect(found.delete("few")).toBe(true);
  expectSame(found, await entriesOf("whole.index"));
}, 300_000);
