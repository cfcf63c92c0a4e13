import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { runCommand as run } from "../../../tests/support/run-command.ts";
import { saveModel } from "../../api/model.ts";
import { tinyModel, wordTokenizer } from "../../transfer/vocabulary/testing.ts";

let root = "";
let model = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-vocabulary-command-"));
  model = join(root, "model");
  await saveModel(model, tinyModel("bert", wordTokenizer()));
});
afterAll(() => rm(root, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

test("firth vocabulary add: tokens of the command line or of a file, not both (bug: a file's last line lost)", async () => {
  const out = join(root, "added");
  const told = await run("vocabulary", "add", model, "--tokens", "promoters", "xyz", "--out", out);
  expect(told.code, told.error).toBeUndefined();
  expect(told.out).toMatch(/vocabulary +21\npromoters +19, mean of pro ##moter ##s\nxyz +20, mean of all/);
  const file = join(root, "tokens.txt");
  await writeFile(file, "one\r\ntwo\nthree");
  const read = await run(
    "vocabulary",
    "add",
    model,
    "--file",
    file,
    "--out",
    join(root, "read"),
    "--rows",
    "mean",
    "--json",
  );
  expect(JSON.parse(read.out).added.map(({ token }: { token: string }) => token)).toEqual(["one", "two", "three"]);
  const none = await run("vocabulary", "add", model, "--out", join(root, "x"));
  expect(none).toMatchObject({ code: 1, out: "" });
  expect(none.error).toContain("(CONFIG_AMBIGUOUS)");
  const missing = await run("vocabulary", "add", model, "--file", join(root, "no.txt"), "--out", join(root, "x"));
  expect(missing.error).toContain("(FILE_MISSING)");
  expect(existsSync(join(root, "x"))).toBe(false);
});

test("firth vocabulary symbols and swap, firth positions extend, one after the other (bug: a result that the next cannot load)", async () => {
  const [symbols, swapped, longer] = ["symbols", "swapped", "longer"].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  const made = await run(
    "vocabulary",
    "symbols",
    model,
    "--alphabet",
    "AC",
    "--per-token",
    "2",
    "--seed",
    "5",
    "--out",
    symbols,
    "--json",
  );
  expect(made.code, made.error).toBeUndefined();
  expect(JSON.parse(made.out)).toMatchObject({ vocabSize: 11 });
  const back = await run(
    "vocabulary",
    "swap",
    symbols,
    "--tokenizer",
    model,
    "--rows",
    "mean",
    "--out",
    swapped,
    "--json",
  );
  expect(back.code, back.error).toBeUndefined();
  expect(JSON.parse(back.out)).toMatchObject({ vocabSize: 19, model: symbols });
  const grown = await run("positions", "extend", swapped, "--length", "32", "--out", longer);
  expect(grown.code, grown.error).toBeUndefined();
  expect(grown.out).toContain("32 tokens, before 16");
  const again = await run("positions", "extend", swapped, "--length", "64", "--out", longer);
  expect(again.error).toContain("(OUTPUT_EXISTS)");
  const both = await run(
    "vocabulary",
    "symbols",
    model,
    "--alphabet",
    "AC",
    "--symbols",
    "x",
    "--out",
    join(root, "y"),
  );
  expect(both.error).toContain("(CONFIG_AMBIGUOUS)");
});
