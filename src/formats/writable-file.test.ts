import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { requireWritableFile } from "./writable-file.ts";

let home = "";
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "firth-writable-"));
  await writeFile(join(home, "notes.txt"), "mine");
  await mkdir(join(home, "folder"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

it("lets pass what can be written, and touches nothing (bug: empty folders left by a command that then fails)", async () => {
  await requireWritableFile(join(home, "notes.txt"));
  await requireWritableFile(join(home, "new.html"));
  await requireWritableFile(join(home, "deep", "er", "new.html"));
  expect((await readdir(home)).sort()).toEqual(["folder", "notes.txt"]);
});

it.each([
  ["folder", "is a folder, where a file is to be written"],
  ["notes.txt/new.html", "cannot be written"],
  ["notes.txt/deep/new.html", "cannot be written"],
])("refuses %s (bug: found out after an hour of work)", async (name, rule) => {
  const error = await requireWritableFile(join(home, name)).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "NOT_WRITABLE", message: expect.stringContaining(rule) });
});

it.skipIf(!existsSync("/proc/self/comm"))("refuses a place where the system takes no files", async () => {
  expect(await requireWritableFile("/proc/new.html").catch((caught: unknown) => caught)).toMatchObject({
    code: "NOT_WRITABLE",
  });
});
