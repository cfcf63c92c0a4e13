import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findXlaLibraries, findXlaLibrary } from "./find-library.ts";
import type { XlaPlatform } from "./library.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "firth-find-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(...path: string[]): string {
  const file = join(root, ...path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "");
  return file;
}

/** Nothing of the machine that the test runs on. */
const find = (platform: XlaPlatform, environment: Record<string, string> = {}, plugin?: string) =>
  findXlaLibrary(platform, { environment, plugin, engineFolder: join(root, "engines") });

const packages = ["venv", "lib", "python3.11", "site-packages"];
const cudaPlugin = (version: number) => [...packages, "jax_plugins", `xla_cuda${version}`, "xla_cuda_plugin.so"];

describe("findXlaLibrary", () => {
  it("says what it looked at when there is nothing", () => {
    mkdirSync(join(root, ...packages), { recursive: true });
    const result = find("cuda", { VIRTUAL_ENV: join(root, "venv") });
    expect(result).toMatchObject({ problem: expect.stringContaining("firth engine install cuda") });
    expect("searched" in result && result.searched).toContain(
      join(root, ...packages, "jax_plugins/xla_cuda*/xla_cuda_plugin.so"),
    );
  });

  // Catches a path that was set and is wrong, but is passed over for whatever lies around.
  it("takes what was set, then what the environment names, and nothing else", () => {
    const [set, variable] = [put("a", "set.so"), put("b", "libtensorflow_cc.so.2")];
    put(...cudaPlugin(13));
    const environment = { VIRTUAL_ENV: join(root, "venv"), FIRTH_PJRT_PLUGIN: variable };
    expect(find("cuda", environment, set)).toMatchObject({
      kind: "pjrt",
      path: set,
      foundBy: "the setting engine.plugin",
    });
    expect(find("cuda", environment)).toMatchObject({
      kind: "tensorflow",
      path: variable,
      foundBy: "FIRTH_PJRT_PLUGIN",
    });
    const absent = join(root, "absent.so");
    expect(find("cuda", environment, absent)).toEqual({
      problem: `there is no file "${absent}", which the setting engine.plugin names. Correct the path.`,
      searched: [absent],
    });
    expect(find("cuda", { ...environment, FIRTH_PJRT_PLUGIN: root })).toMatchObject({
      problem: expect.stringContaining("is no file"),
    });
  });

  it("takes an installed plugin before those of Python", () => {
    const file = put("engines", "cpu", "libpjrt_cpu.so");
    writeFileSync(
      join(root, "engines", "cpu", "plugin.json"),
      JSON.stringify({ platform: "cpu", file: "libpjrt_cpu.so", sha256: "0", source: "x", installedAt: "" }),
    );
    put(...packages, "tensorflow", "libtensorflow_cc.so.2");
    expect(find("cpu", { VIRTUAL_ENV: join(root, "venv") })).toMatchObject({
      path: file,
      foundBy: "firth engine install",
    });
  });

  // Catches a note that leads out of its folder.
  it("does not follow a note elsewhere", () => {
    put("engines", "cpu", "inner.so");
    const note = { platform: "cpu", file: "../../outside.so", sha256: "0", source: "x", installedAt: "" };
    put("outside.so");
    writeFileSync(join(root, "engines", "cpu", "plugin.json"), JSON.stringify(note));
    expect(find("cpu")).toMatchObject({ problem: expect.stringContaining("there is no XLA library") });
  });

  it("takes the plugin of the newest CUDA, and a plugin before TensorFlow, in any active Python", () => {
    put(...cudaPlugin(9));
    const newest = put(...cudaPlugin(13));
    put(...cudaPlugin(12));
    expect(find("cuda", { VIRTUAL_ENV: join(root, "venv") })).toMatchObject({ path: newest });
    const tensorflow = put(...packages, "tensorflow", "libtensorflow_cc.so.2");
    expect(find("cpu", { VIRTUAL_ENV: join(root, "venv") })).toMatchObject({ kind: "tensorflow", path: tensorflow });
    const plugin = put("conda", "lib", "python3.12", "site-packages", "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so");
    const both = { VIRTUAL_ENV: join(root, "venv"), CONDA_PREFIX: join(root, "conda") };
    expect(find("cpu", both)).toMatchObject({ kind: "pjrt", path: plugin });
    // lib64 is often a link to lib: what lies there is one library.
    symlinkSync(join(root, "venv", "lib"), join(root, "venv", "lib64"));
    const { found } = findXlaLibraries("cpu", { environment: both, engineFolder: join(root, "engines") });
    expect(found.map(({ path }) => path)).toEqual([plugin, tensorflow]);
  });

  // Catches an environment's packages that are looked for where its Python's link leads.
  it("knows the environment of the Python on the path", () => {
    const plugin = put(...cudaPlugin(12));
    put("venv", "pyvenv.cfg");
    mkdirSync(join(root, "venv", "bin"));
    symlinkSync(put("system", "bin", "python3.11"), join(root, "venv", "bin", "python3"));
    expect(find("cuda", { PATH: `${join(root, "nowhere")}:${join(root, "venv", "bin")}` })).toMatchObject({
      path: plugin,
    });
    const tpu = put("system", "lib", "python3.11", "dist-packages", "libtpu", "libtpu.so");
    mkdirSync(join(root, "links"));
    symlinkSync(join(root, "system", "bin", "python3.11"), join(root, "links", "python3"));
    expect(find("tpu", { PATH: join(root, "links") })).toMatchObject({ path: tpu });
  });
});
