import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCommand } from "../../../tests/support/run-command.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "firth-engine-command-"));
  // Nothing that lies on this machine counts.
  for (const name of ["VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "FIRTH_PJRT_PLUGIN"]) vi.stubEnv(name, "");
  vi.stubEnv("FIRTH_ENGINE_FOLDER", join(folder, "engines"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  process.exitCode = 0;
  rmSync(folder, { recursive: true, force: true });
});

function plugin(name = "libpjrt_tpu.so"): string {
  const file = join(folder, name);
  writeFileSync(file, "no library");
  return file;
}

interface Listed {
  readonly engine: string;
  readonly found: readonly { readonly path: string; readonly foundBy: string }[];
}

describe("firth engine", () => {
  // Catches an installation that the engine does not find: the two know each other's files by name only.
  it("installs a plugin where it is found, and says that nothing was checked", async () => {
    const { out, error } = await runCommand("engine", "install", "tpu", "--from", plugin(), "--json");
    const { path, sha256 } = JSON.parse(out) as { path: string; sha256: string };
    expect(path).toBe(join(folder, "engines", "tpu", "libpjrt_tpu.so"));
    expect(error).toContain(sha256);
    expect(error).toContain("checked nowhere");
    const listed = JSON.parse((await runCommand("engine", "list", "--json")).out) as Listed[];
    const tpu = listed.find(({ engine }) => engine === "xla:tpu");
    expect(tpu!.found[0]).toMatchObject({ path, foundBy: "firth engine install" });
    const text = (await runCommand("engine", "list")).out;
    expect(text).toContain(`xla:tpu   plugin ${path}, found by firth engine install`);
  });

  it("says when what was installed is not what is taken", async () => {
    const other = plugin("other.so");
    vi.stubEnv("FIRTH_PJRT_PLUGIN", other);
    const { error } = await runCommand("engine", "install", "xla:tpu", "--from", plugin());
    expect(error).toContain(`Not in use: ${other}, found by FIRTH_PJRT_PLUGIN`);
  });

  it("refuses what it cannot install, and keeps nothing", async () => {
    const wrong = await runCommand("engine", "install", "tpu", "--from", plugin(), "--sha256", "0".repeat(64));
    expect(wrong.error).toContain("ENGINE_CHECKSUM");
    expect(process.exitCode).toBe(1);
    expect((await runCommand("engine", "install", "gpu")).error).toContain("must be one of cpu, cuda, rocm, tpu");
    expect((await runCommand("engine", "install", "tpu")).error).toContain("ENGINE_NO_RELEASE");
    const remote = await runCommand("engine", "install", "tpu", "--from", "https://example.org/a.tar.gz");
    expect(remote.error).toContain("--sha256");
    expect((await runCommand("engine", "list")).out).toContain("xla:tpu   none (firth engine install tpu)");
  });

  it("finds out that a plugin is none, without being harmed", async () => {
    await runCommand("engine", "install", "tpu", "--from", plugin());
    const { out } = await runCommand("engine", "doctor", "tpu", "--json");
    expect(JSON.parse(out)).toMatchObject([
      { name: "xla:tpu", status: "fail", detail: expect.stringContaining("does not load") },
    ]);
    expect(process.exitCode).toBe(1);
  });
});
