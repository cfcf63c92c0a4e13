import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { failure } from "../../tests/support/failure.ts";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic, writeFolderAtomic } from "./atomic.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-atomic-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const full = () => Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });

it("replaces a file only when all of it is written; the old one survives a full disk and no part stays", async () => {
  const path = join(folder, "a.txt");
  await writeFileAtomic(path, "old");
  const error = await failure(
    writeFileAtomic(
      path,
      async (sink) => {
        await sink.write(new Uint8Array(100));
        throw full();
      },
      { expectedBytes: 12345 },
    ),
  );
  expect(error).toMatchObject({ code: "DISK_FULL", path });
  expect(error.message).toContain("12345 bytes needed");
  expect(await readFile(path, "utf8")).toBe("old");
  expect(await readdir(folder)).toEqual(["a.txt"]);
  const digest = await writeFileAtomic(path, "abc");
  expect(await readFile(path, "utf8")).toBe("abc");
  expect(digest).toEqual({ bytes: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" });
});

it("replaces a folder as a whole: files of the old one do not shine through", async () => {
  const target = join(folder, "model");
  await writeFolderAtomic(target, (t) => writeFile(join(t, "old.txt"), "1"));
  await writeFolderAtomic(target, async (t) => {
    await mkdir(join(t, "sub"));
    await writeFile(join(t, "sub", "new.txt"), "2");
  });
  expect(await readdir(target)).toEqual(["sub"]);
  expect(await readdir(folder)).toEqual(["model"]);
});

it.each([
  ["an exception", new Error("boom")],
  ["a full disk", full()],
])("keeps the old folder and leaves no trace after %s", async (_name, cause) => {
  const target = join(folder, "model");
  await writeFolderAtomic(target, (t) => writeFile(join(t, "old.txt"), "1"));
  const attempt = writeFolderAtomic(target, async (t) => {
    await writeFile(join(t, "new.txt"), "2");
    throw cause;
  });
  await expect(attempt).rejects.toThrow(/boom|the disk is full/);
  expect(await readdir(target)).toEqual(["old.txt"]);
  expect(await readdir(folder)).toEqual(["model"]);
});

it.skipIf(process.platform !== "linux")(
  "names the final folder when the system itself says the disk is full",
  async () => {
    const target = join(folder, "model");
    const error = await failure(
      writeFolderAtomic(
        target,
        async (t) => {
          await symlink("/dev/full", join(t, "weights"));
          await writeFile(join(t, "weights"), new Uint8Array(1000));
        },
        { expectedBytes: 1000 },
      ),
    );
    expect(error).toMatchObject({ code: "DISK_FULL", path: target, details: { neededBytes: 1000 } });
    expect(await readdir(folder)).toEqual([]);
  },
);

it("refuses an existing folder when asked to, before any work is done", async () => {
  let worked = false;
  await writeFolderAtomic(join(folder, "model"), async () => undefined);
  const attempt = writeFolderAtomic(join(folder, "model"), async () => (worked = true), { existing: "fail" });
  expect((await failure(attempt)).code).toBe("OUTPUT_EXISTS");
  expect(worked).toBe(false);
});

it("says NOT_WRITABLE, with the path asked for, when a file stands where a folder must be", async () => {
  await writeFile(join(folder, "file"), "");
  const path = join(folder, "file", "below.txt");
  expect(await failure(writeFileAtomic(path, "x"))).toMatchObject({ code: "NOT_WRITABLE", path });
  expect(await failure(writeFolderAtomic(path, async () => 1))).toMatchObject({ code: "NOT_WRITABLE", path });
});

it("passes its own errors on under the final name, not the hidden one", async () => {
  const target = join(folder, "model");
  const error = await failure(
    writeFolderAtomic(target, async (t) => {
      throw new CheckpointError("is odd.", { code: "ODD", path: join(t, "x.json") });
    }),
  );
  expect(error.message).toBe(`${join(target, "x.json")}: is odd.`);
});
