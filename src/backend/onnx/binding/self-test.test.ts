import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOrtBinding } from "./open-binding.ts";
import { selfTestCApi } from "./self-test.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "firth-self-test-test-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A stand-in for the self-test's child process. */
function program(code: string) {
  const file = join(folder, "program.mjs");
  writeFileSync(file, code);
  return { url: pathToFileURL(file), execArgv: [] };
}

function cacheFolder(): string {
  return join(folder, "cache", "deep");
}

describe("selfTestCApi", () => {
  it("passes here and is remembered, so that the next start spawns nothing", async () => {
    expect(await selfTestCApi({ cacheFolder: cacheFolder() })).toMatchObject({ passed: true, cached: false });
    const again = await selfTestCApi({ cacheFolder: cacheFolder(), program: program("process.abort()") });
    expect(again).toMatchObject({ passed: true, cached: true });
    expect(again.detail).toMatch(/^1\.\d+/);
  });

  // Catches a crash that is taken for success because a report was written before it.
  it.each([
    ["aborts", "process.abort()", "SIGABRT"],
    [
      "crashes after its report",
      `process.stdout.write('{"passed":true,"detail":"x"}', () => process.abort())`,
      "SIGABRT",
    ],
    ["throws", "throw new Error('no such symbol')", "exit code 1"],
    ["says nothing", "", "without a report"],
    ["finds wrong numbers", `process.stdout.write('{"passed":false,"detail":"wrong product"}')`, "wrong product"],
  ])("fails, with the reason kept, when the child %s", async (_, code, reason) => {
    const options = { cacheFolder: cacheFolder(), program: program(code) };
    const verdict = await selfTestCApi(options);
    expect(verdict).toMatchObject({ passed: false, cached: false, detail: expect.stringContaining(reason) });
    expect(await selfTestCApi(options)).toMatchObject({ passed: false, cached: true, detail: verdict.detail });
  });

  // Catches a start-up that waits for ever, and a busy minute that is remembered as a broken library.
  it("gives up on a child that hangs, and does not remember it", async () => {
    const hanging = { cacheFolder: cacheFolder(), program: program("setInterval(() => {}, 1000)"), timeoutMs: 300 };
    expect(await selfTestCApi(hanging)).toMatchObject({ passed: false, detail: expect.stringContaining("0.3 s") });
    expect(await selfTestCApi({ cacheFolder: cacheFolder() })).toMatchObject({ passed: true, cached: false });
  });

  it("works without a place to remember, and replaces a damaged memory", async () => {
    const occupied = join(folder, "file");
    writeFileSync(occupied, "");
    expect(await selfTestCApi({ cacheFolder: join(occupied, "below") })).toMatchObject({ passed: true, cached: false });
    await selfTestCApi({ cacheFolder: cacheFolder() });
    const [name] = readdirSync(cacheFolder());
    writeFileSync(join(cacheFolder(), name!), '{"passed":tr');
    expect(await selfTestCApi({ cacheFolder: cacheFolder() })).toMatchObject({ passed: true, cached: false });
    expect(JSON.parse(readFileSync(join(cacheFolder(), name!), "utf8"))).toMatchObject({ passed: true });
  });

  // Catches a failure that is believed for ever, after the machine was repaired.
  it("tries again when a failure is old", async () => {
    await selfTestCApi({ cacheFolder: cacheFolder(), program: program("process.abort()") });
    const [name] = readdirSync(cacheFolder());
    const file = join(cacheFolder(), name!);
    const verdict = JSON.parse(readFileSync(file, "utf8")) as { time: number };
    writeFileSync(file, JSON.stringify({ ...verdict, time: verdict.time - 2 * 60 * 60 * 1000 }));
    expect(await selfTestCApi({ cacheFolder: cacheFolder() })).toMatchObject({ passed: true, cached: false });
  });

  it("lets processes that start together share the folder", async () => {
    mkdirSync(cacheFolder(), { recursive: true });
    const code = `process.stdout.write('{"passed":true,"detail":"1.0.0"}')`;
    const options = { cacheFolder: cacheFolder(), program: program(code) };
    const verdicts = await Promise.all([selfTestCApi(options), selfTestCApi(options), selfTestCApi(options)]);
    expect(verdicts.every((verdict) => verdict.passed)).toBe(true);
    expect(readdirSync(cacheFolder())).toHaveLength(1);
  });
});

describe("openOrtBinding", () => {
  it("takes the C API where it works, and says so", async () => {
    const { binding, reason } = await openOrtBinding({ selfTest: { cacheFolder: cacheFolder() } });
    expect(binding.kind).toBe("c-api");
    expect(reason).toMatch(/^ONNX Runtime 1\.\d+\.\d+, C API through koffi: self-test passed now$/);
    await binding.dispose();
  });

  it("falls back to onnxruntime-node where the self-test fails, and says why", async () => {
    const selfTest = { cacheFolder: cacheFolder(), program: program("process.abort()") };
    const { binding, reason } = await openOrtBinding({ selfTest });
    expect(binding.kind).toBe("onnxruntime-node");
    expect(reason).toContain("because the C API does not work here: the self-test crashed (SIGABRT)");
    await binding.dispose();
  });

  // Catches a silent fallback: whoever names a binding gets it or an error.
  it("refuses the C API by name where the self-test fails", async () => {
    const selfTest = { cacheFolder: cacheFolder(), program: program("process.abort()") };
    await expect(openOrtBinding({ binding: "c-api", selfTest })).rejects.toMatchObject({ code: "C_API_UNUSABLE" });
  });
});
