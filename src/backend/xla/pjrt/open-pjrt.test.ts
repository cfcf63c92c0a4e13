import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { PjrtApi } from "./api.ts";
import { Native } from "./native.ts";
import { openExecutor, openPjrt, openUntested } from "./open-pjrt.ts";
import { FakePlugins, failure, pair, program, TestFolder } from "./testing/harness.ts";
import { type FakeOptions, FakePlugin } from "./testing/plugin.ts";

const plugins = new FakePlugins();
const folder = new TestFolder();

describe("a plugin's executor", () => {
  it("tells what it is", async () => {
    const executor = await plugins.open({ devices: 2 }, { devices: 3, platform: "CUDA", minor: 112 });
    expect(executor.facts).toMatchObject({ library: "pjrt", platform: "cuda", devices: 2, deviceBytes: 2 ** 33 });
    expect(executor.facts.description).toBe("fake.so (PJRT 0.112, fake 1); 2 of 3 × Fake device");
    await plugins.expectClean(executor);
  });

  it("that cannot be opened says why, and leaves nothing", async () => {
    const api = await plugins.make();
    plugins.last.faults.set("Client_Create", { status: "UNAVAILABLE", words: "no CUDA driver" });
    const error = await failure(openExecutor(api));
    expect(error).toMatchObject({ code: "PJRT_OPEN_FAILED" });
    expect(error.message).toContain("no CUDA driver");
    expect(plugins.last.alive).toEqual({});
    expect((await failure(plugins.open({}, { devices: 0 }))).code).toBe("PJRT_NO_DEVICE");
    expect(plugins.last.alive).toEqual({});
    expect((await failure(plugins.open({ devices: 3 }, { devices: 2 }))).code).toBe("PJRT_DEVICES");
    expect(plugins.last.alive).toEqual({});
  });
});

describe("versions of the interface", () => {
  // Catches arguments that a newer plugin refuses because its structs have grown.
  it("may be newer, with longer structs", async () => {
    const executor = await plugins.open({}, { laterBytes: 48, minor: 140 });
    const add = await executor.compile(program("add"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    expect(await (await add.run([x, x]))[0]!.read()).toEqual(Float32Array.of(2, 4));
    await plugins.expectClean(executor);
  });

  // Catches a call past the end of an older plugin's table: it would jump anywhere.
  it("may be older, with a table that ends before what Firth can do without", async () => {
    const executor = await plugins.open({}, { tableEnd: "Executable_GetCompiledMemoryStats" });
    expect((await executor.compile(program("add"))).memory).toBeUndefined();
    await plugins.expectClean(executor);
  });

  it.each([
    [0, 56],
    [1, 0],
  ])("%i.%i is refused", async (major, minor) => {
    expect((await failure(plugins.open({}, { major, minor }))).code).toBe("PJRT_VERSION");
  });
});

describe("files that are no plugin", () => {
  it("are told apart", async () => {
    const absent = folder.at("absent.so");
    expect((await failure(openPjrt({ plugin: absent }))).code).toBe("PJRT_LIBRARY_MISSING");
    const broken = folder.at("broken.so");
    writeFileSync(broken, "not a library");
    expect((await failure(openUntested({ plugin: broken }))).code).toBe("PJRT_LIBRARY_BROKEN");
    const { platform, arch } = process;
    const addon = createRequire(import.meta.url).resolve(`@koromix/koffi-${platform}-${arch}/package.json`);
    const other = join(dirname(addon), `${platform}_${arch}`, "koffi.node");
    expect((await failure(openUntested({ plugin: other }))).code).toBe("PJRT_NOT_A_PLUGIN");
    // Tried in another process first, where a crash would harm nobody.
    const tried = await failure(openPjrt({ plugin: other }, { cacheFolder: folder.at() }));
    expect(tried).toMatchObject({ code: "PJRT_UNUSABLE", message: expect.stringContaining("has no GetPjrtApi") });
  });
});

describe("options", () => {
  it("reach the plugin, those given before those of the platform", async () => {
    const options = {
      memory_fraction: { float: 0.5 },
      preallocate: false,
      allocator: "bfc",
      visible_devices: [0, 2],
      cpu_device_count: 1,
    };
    const executor = await plugins.open({ platform: "cpu", devices: 1, options });
    expect(Object.fromEntries(plugins.last.createOptions)).toEqual(options);
    await plugins.expectClean(executor);
  });

  // Catches the number of one engine that is left to the next, or taken from one that is opened at the same time.
  it("say how many threads a processor's client has", async () => {
    const native = await Native.open();
    expect(native.variable("PJRT_NPROC")).toBeUndefined();
    const fakes = [3, undefined, 1].map((threads) => ({
      threads,
      fake: new FakePlugin(native, { platform: "cpu" }),
    }));
    const executors = await Promise.all(
      fakes.map(({ fake, threads }) => openExecutor(new PjrtApi(native, fake.address, "fake.so"), { threads })),
    );
    expect(fakes.map(({ fake }) => fake.threads)).toEqual(["3", undefined, "1"]);
    expect(native.variable("PJRT_NPROC")).toBeUndefined();
    for (const executor of executors) await executor.dispose();
    for (const { fake } of fakes) fake.release();
  });

  // Catches threads that are asked of a GPU and mean nothing.
  it("refuse threads that nobody has", async () => {
    for (const threads of [0, 1.5]) {
      const error = await failure(plugins.open({ threads }, { platform: "cpu" }));
      expect(error).toMatchObject({ code: "XLA_THREADS", path: "engine.threads" });
    }
    const error = await failure(plugins.open({ threads: 2 }, { platform: "CUDA" }));
    expect(error.code).toBe("XLA_THREADS");
    expect(error.message).toContain("devices of the platform cuda");
    expect(plugins.last.alive).toEqual({});
  });

  it("say which fused kernels there are", async () => {
    const names = async (like: FakeOptions) => {
      const executor = await plugins.open({}, like);
      const { customCalls } = executor.facts;
      await executor.dispose();
      return customCalls;
    };
    expect(await names({})).toEqual(new Set());
    expect(await names({ platform: "cuda", attributes: { compute_capability: "7.5" } })).toEqual(new Set());
    const calls = await names({ platform: "cuda", attributes: { compute_capability: "9.0", vendor: "NVIDIA" } });
    expect(calls).toContain("__cudnn$fmhaSoftmaxBackward");
  });
});
