import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { DataError } from "../base/errors.ts";
import { isRefusal, storeFailure, storeMessage } from "./store-failure.ts";

const said = (number: number, text: string): Error =>
  new Error(`lance error: LanceError(IO): ${text} (os error ${number}), src/io/commit.rs:12:34\nmore`);

it("tells what the store was refused by the system's name for it (bug: a full disk told as a mistake of the program)", async () => {
  const full = await storeFailure(said(28, "No space left on device"), tmpdir());
  expect(full).toMatchObject({ code: "DISK_FULL" });
  expect(full.message).toContain("the disk is full");
  expect(await storeFailure(said(13, "Permission denied"), tmpdir())).toMatchObject({ code: "NOT_WRITABLE" });
  expect(isRefusal(said(28, "No space left on device"))).toBe(true);
  // A file that is missing is damage, not a refusal.
  expect(isRefusal(said(2, "No such file or directory"))).toBe(false);
});

it("keeps errors of the program, and tells all others in one line", async () => {
  const own = new DataError("has no id.", { code: "ID_EMPTY", path: "faq.csv" });
  expect(await storeFailure(own, tmpdir())).toBe(own);
  const other = await storeFailure(new Error("lance error: Conflict, src/a.rs:1:2\nat x"), tmpdir());
  expect(other).toMatchObject({ code: "WRITE_FAILED" });
  expect(other.message).toContain("lance error: Conflict. What was there");
  expect(storeMessage("plain")).toBe("plain");
});
