import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { runCommand } from "../../../tests/support/run-command.ts";

const fixtures = fileURLToPath(new URL("../../../tests/fixtures/", import.meta.url));

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-import-command-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

const run = (...args: string[]) => runCommand("import", ...args);

test("a folder with pytorch_model.bin becomes a model, told as JSON (bug: options that do not reach the import)", async () => {
  const source = join(folder, "source");
  await mkdir(source);
  await copyFile(join(fixtures, "bert/pretraining/config.json"), join(source, "config.json"));
  await copyFile(join(fixtures, "torch/bert.bin"), join(source, "pytorch_model.bin"));
  const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...Array.from({ length: 32 }, (_, i) => `w${i}`)];
  await writeFile(join(source, "vocab.txt"), `${words.join("\n")}\n`);
  const target = join(folder, "target");
  const { out, error, code } = await run(source, "--out", target, "--json");
  expect(code, error).toBeUndefined();
  expect(JSON.parse(out)).toMatchObject({ source, folder: target, family: "bert", newParameters: [] });
  expect(existsSync(join(target, "model.safetensors"))).toBe(true);
  const again = await run(source, "--out", target);
  expect(again).toMatchObject({ code: 1, out: "" });
  expect(again.error).toContain("(OUTPUT_EXISTS)");
});

test("a model of the hub that is not in the cache, offline by option or by variable, ends with the code and the way out", async () => {
  const args = ["hub:owner/name@v1", "--cache", join(folder, "cache"), "--endpoint", "http://127.0.0.1:1"];
  const asked = await run(...args, "--offline");
  expect(asked.code).toBe(1);
  expect(asked.error).toContain("Run the same once without --offline. (HUB_NOT_CACHED)");
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  expect((await run(...args)).error).toContain("(HUB_NOT_CACHED)");
  vi.stubEnv("HF_HUB_OFFLINE", "0");
  expect((await run(...args)).error).toContain("(HUB_UNREACHABLE)");
  expect(existsSync(join(folder, "cache"))).toBe(false);
});
