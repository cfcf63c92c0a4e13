import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { failure } from "../../tests/support/failure.ts";
import { writeThroughSink } from "./byte-sink.ts";
import {
  type CheckpointContent,
  findLatestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  saveCheckpoint,
} from "./checkpoint.ts";

let run = "";
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), "firth-checkpoint-"));
});
afterEach(() => rm(run, { recursive: true, force: true }));

const awkward = new Float32Array([0.1, -0, 1e-45, Number.NaN, Number.POSITIVE_INFINITY, 3.4028235e38]);

function content(step: number): CheckpointContent {
  return {
    step,
    state: { seed: 2 ** 53 - 1, epoch: 3, loss: 0.1 + 0.2, schedule: { rate: 5e-324 }, history: [1, null, "ü"] },
    model: [{ name: "w", dtype: "F32", shape: [2, 3], data: awkward }],
    optimizer: [
      { name: "m/w", dtype: "F32", shape: [2, 3], data: awkward.map((x) => x * step) },
      { name: "v/w", dtype: "F32", shape: [2, 3], data: new Float32Array(6).fill(step) },
    ],
    files: { "config.json": "{}\n" },
  };
}

it("gives back every bit of weights, moments and state", async () => {
  const { folder } = await saveCheckpoint(run, content(10));
  const loaded = await loadCheckpoint(folder);
  expect(loaded.step).toBe(10);
  expect(loaded.state).toEqual(content(10).state);
  const weights = (await loaded.model.read("w")).data;
  expect(Buffer.from(weights.buffer)).toEqual(Buffer.from(awkward.buffer));
  expect([...(await loaded.optimizer.read("v/w")).data]).toEqual([10, 10, 10, 10, 10, 10]);
  await loaded.close();
});

it("is the same bytes for the same content, so that a resumed run's checkpoint can be compared", async () => {
  const { folder } = await saveCheckpoint(run, content(10));
  const first = await readFile(join(folder, "manifest.json"), "utf8");
  await saveCheckpoint(run, content(10));
  expect(await readFile(join(folder, "manifest.json"), "utf8")).toBe(first);
  expect(await readdir(run)).toEqual(["checkpoint-10"]);
});

it("orders by number, not by text (9 would follow 10), and keeps the newest and the named ones", async () => {
  for (const step of [8, 9, 10]) await saveCheckpoint(run, content(step));
  expect((await findLatestCheckpoint(run)).latest?.step).toBe(10);
  const saved = await saveCheckpoint(run, content(11), { keepLast: 2, keepSteps: [8] });
  expect(await listCheckpoints(run)).toEqual([11, 10, 8]);
  expect(saved.removed).toEqual([join(run, "checkpoint-9")]);
});

it("never removes the checkpoint just written, even when newer steps lie there from an abandoned branch", async () => {
  await saveCheckpoint(run, content(100));
  await saveCheckpoint(run, content(50), { keepLast: 1 });
  expect(await listCheckpoints(run)).toEqual([50]);
});

const damages: readonly [string, (folder: string) => Promise<void>, string][] = [
  ["a truncated weights file", (f) => truncate(join(f, "model.safetensors"), 40), "model.safetensors holds 40 bytes"],
  ["a file that grew", (f) => appendFile(join(f, "state.json"), " "), "state.json holds"],
  ["a missing file", (f) => rm(join(f, "optimizer.safetensors")), "optimizer.safetensors is missing"],
  ["no manifest (a copy cut short)", (f) => rm(join(f, "manifest.json")), "manifest.json is missing"],
  ["half a manifest", (f) => truncate(join(f, "manifest.json"), 30), "not valid JSON"],
  [
    "a flipped bit in the moments",
    async (f) => {
      const path = join(f, "optimizer.safetensors");
      const bytes = await readFile(path);
      bytes[bytes.length - 3]! ^= 0x10;
      await writeFile(path, bytes);
    },
    "optimizer.safetensors is damaged",
  ],
  [
    "a later format version",
    async (f) => {
      const path = join(f, "manifest.json");
      await writeFile(path, (await readFile(path, "utf8")).replace('"formatVersion": 1', '"formatVersion": 2'));
    },
    "format version 2",
  ],
];
it.each(damages)("skips and names a checkpoint with %s", async (_name, damage, says) => {
  await saveCheckpoint(run, content(1));
  const { folder } = await saveCheckpoint(run, content(2));
  await damage(folder);
  const found = await findLatestCheckpoint(run);
  expect(found.latest?.step).toBe(1);
  expect(found.broken).toHaveLength(1);
  expect(found.broken[0]).toMatchObject({ folder });
  expect(found.broken[0]!.reason).toContain(says);
  expect((await failure(loadCheckpoint(folder))).message).toContain(says);
});

it("finds nothing in an empty or absent run folder", async () => {
  expect(await findLatestCheckpoint(join(run, "absent"))).toEqual({ latest: undefined, broken: [] });
});

it("keeps the old checkpoint whole when fetching a tensor fails half-way", async () => {
  await saveCheckpoint(run, content(5));
  const bad = {
    ...content(5),
    optimizer: [
      {
        name: "m/w",
        dtype: "F32" as const,
        shape: [6],
        data: () => {
          throw new Error("device lost");
        },
      },
    ],
  };
  await expect(saveCheckpoint(run, bad)).rejects.toThrow("device lost");
  expect(await readdir(run)).toEqual(["checkpoint-5"]);
  expect((await findLatestCheckpoint(run)).latest?.step).toBe(5);
});

it("clears away what a killed writer left, and restores a checkpoint that it had set aside", async () => {
  const { folder } = await saveCheckpoint(run, content(5));
  await mkdir(join(run, ".checkpoint-6.partial-0123456789ab"));
  await cp(folder, join(run, ".checkpoint-4.replaced-0123456789ab"), { recursive: true });
  await symlink("nowhere", join(run, "unrelated"));
  await writeFile(join(run, ".report.html.partial-0123456789ab"), "another writer is at work here");
  await saveCheckpoint(run, content(7));
  expect((await readdir(run)).sort()).toEqual([
    ".report.html.partial-0123456789ab",
    "checkpoint-4",
    "checkpoint-5",
    "checkpoint-7",
    "unrelated",
  ]);
});

it.each([Number.NaN, Number.NEGATIVE_INFINITY, -0])(
  "refuses a state number that JSON would change: %s",
  async (number) => {
    const error = await failure(saveCheckpoint(run, { ...content(1), state: { metrics: { loss: [number] } } }));
    expect(error.code).toBe("STATE_NOT_JSON");
    expect(error.message).toContain("state.metrics.loss.0");
    expect(await readdir(run)).toEqual([]);
  },
);

it.skipIf(process.platform !== "linux")("reports a really full disk (/dev/full) with the bytes needed", async () => {
  const error = await failure(writeThroughSink("/dev/full", (sink) => sink.write(new Uint8Array(4096)), 4096));
  expect(error.code).toBe("DISK_FULL");
  expect(error.message).toContain("4096 bytes needed");
  expect(error.details).toMatchObject({ system: "ENOSPC", neededBytes: 4096 });
});
