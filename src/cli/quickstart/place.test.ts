import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { makeRoom } from "./place.ts";

const root = mkdtempSync(join(tmpdir(), "firth-place-"));
afterAll(() => rmSync(root, { recursive: true }));

function folderWith(name: string, files: readonly string[]): string {
  const folder = join(root, name);
  mkdirSync(join(folder, "pretraining"), { recursive: true });
  for (const file of [...files, "pretraining/a"]) writeFileSync(join(folder, file), "");
  return folder;
}

it("a finished run makes room, an interrupted one stays (bug: three minutes of training thrown away)", async () => {
  const finished = folderWith("finished", ["report.html", "train.jsonl"]);
  await makeRoom(finished);
  expect(readdirSync(finished)).toEqual([]);
  const interrupted = folderWith("interrupted", ["train.jsonl"]);
  await makeRoom(interrupted);
  expect(readdirSync(interrupted)).toEqual(["pretraining", "train.jsonl"]);
  await makeRoom(join(root, "new"));
  expect(existsSync(join(root, "new"))).toBe(false);
});

it("refuses a folder with anything else in it, and removes nothing (bug: another run with a report.html is deleted)", async () => {
  const search = folderWith("search", ["report.html", "trials.jsonl"]);
  await expect(makeRoom(search)).rejects.toMatchObject({ code: "OUTPUT_EXISTS", path: search });
  expect(readdirSync(search)).toEqual(["pretraining", "report.html", "trials.jsonl"]);
  await expect(makeRoom(join(search, "report.html"))).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
});
