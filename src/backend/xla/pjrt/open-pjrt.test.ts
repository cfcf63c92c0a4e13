import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FirthError } from "../../../base/errors.ts";
import type { DType, HostData } from "../../../ir/dtype.ts";
import type { XlaExecutor, XlaProgram } from "../executor.ts";
import { PjrtApi } from "./api.ts";
import { FolderStore } from "./key-value-store.ts";
import { Native } from "./native.ts";
import { type ExecutorOptions, openExecutor, openPjrt, openUntested } from "./open-pjrt.ts";
import { type FakeOptions, FakePlugin } from "./testing.ts";

let folder: string;
let fake: FakePlugin;

async function open(options: ExecutorOptions = {}, like: FakeOptions = {}): Promise<XlaExecutor> {
  const native = await Native.open();
  fake = new FakePlugin(native, like);
  return openExecutor(new PjrtApi(native, fake.address, "fake.so"), options);
}

/** The Firth error that work ends with; anything else fails the test. */
async function failure(work: Promise<unknown>): Promise<FirthError> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(FirthError);
  return error as FirthError;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "firth-pjrt-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  fake?.release();
});

const pair = { dtype: "f32", shape: [2] } as const;

function program(text: string, given: Partial<XlaProgram> = {}): XlaProgram {
  return {
    name: "test",
    text,
    inputs: [pair, pair],
    outputs: [pair],
    donated: [],
    partitions: 1,
    inputShardings: [],
    outputShardings: [],
    ...given,
  };
}

/** What must hold after every use: nothing wrong was passed, nothing was left. */
async function expectClean(executor: XlaExecutor): Promise<void> {
  await executor.dispose();
  expect(fake.problems).toEqual([]);
  expect(fake.alive).toEqual({});
}

describe("a plugin's executor", () => {
  it("tells what it is", async () => {
    const executor = await open({ devices: 2 }, { devices: 3, platform: "CUDA", minor: 112 });
    expect(executor.facts).toMatchObject({ library: "pjrt", platform: "cuda", devices: 2, deviceBytes: 2 ** 33 });
    expect(executor.facts.description).toBe("fake.so (PJRT 0.112, fake 1); 2 of 3 × Fake device");
    await expectClean(executor);
  });

  // Catches a dtype that is sent under the code of another, and rows that come back in another order.
  it.each<[DType, HostData]>([
    ["f32", Float32Array.of(1.5, -2, 3, 4, 5, 6)],
    ["f64", Float64Array.of(1.5, -2, 3, 4, 5, 6)],
    ["i32", Int32Array.of(1, -2, 3, 4, 5, 6)],
    ["u32", Uint32Array.of(1, 2 ** 32 - 1, 3, 4, 5, 6)],
    ["bf16", Uint16Array.of(0x3f80, 2, 3, 4, 5, 0xffff)],
    ["f16", Uint16Array.of(0x3c00, 2, 3, 4, 5, 0xffff)],
    ["i8", Int8Array.of(1, -128, 127, 4, 5, 6)],
    ["bool", Uint8Array.of(1, 0, 1, 1, 0, 0)],
  ])("keeps %s as they are", async (dtype, data) => {
    const executor = await open();
    const array = executor.upload(data, { dtype, shape: [2, 3] });
    const copy = data.slice();
    data.fill(0);
    expect(await array.read()).toEqual(copy);
    await expectClean(executor);
  });

  it("takes scalars and arrays without elements", async () => {
    const executor = await open();
    expect(await executor.upload(Float32Array.of(7), { dtype: "f32", shape: [] }).read()).toEqual(Float32Array.of(7));
    expect(await executor.upload(new Float32Array(0), { dtype: "f32", shape: [0, 3] }).read()).toHaveLength(0);
    await expectClean(executor);
  });

  it("runs programs, and tells what they take", async () => {
    const executor = await open();
    const add = await executor.compile(program("add"));
    expect(add.memory).toEqual({
      codeBytes: 1,
      argumentBytes: 2,
      outputBytes: 3,
      aliasBytes: 4,
      temporaryBytes: 5,
    });
    const [x, y] = [executor.upload(Float32Array.of(1, 2), pair), executor.upload(Float32Array.of(10, 20), pair)];
    const [sum] = await add.run([x, y]);
    const [again] = await add.run([sum!, y]);
    expect(await again!.read()).toEqual(Float32Array.of(21, 42));
    expect(fake.nonDonatable).toEqual([0, 1]);
    await expectClean(executor);
  });

  // Catches a donated array that is freed twice, read as garbage, or kept; and one that is donated against the program's word.
  it("gives donated arrays up, and no others", async () => {
    const executor = await open();
    const update = await executor.compile(program("add donate 0", { donated: [0] }));
    const [x, y] = [executor.upload(Float32Array.of(1, 2), pair), executor.upload(Float32Array.of(10, 20), pair)];
    const [sum] = await update.run([x, y]);
    expect(fake.nonDonatable).toEqual([1]);
    expect((await failure(x.read())).code).toBe("ARRAY_DISPOSED");
    expect((await failure(update.run([x, y]))).code).toBe("ARRAY_DISPOSED");
    x.dispose();
    expect(await sum!.read()).toEqual(Float32Array.of(11, 22));
    expect(await y.read()).toEqual(Float32Array.of(10, 20));
    const cautious = await executor.compile(program("add donate 0"));
    await cautious.run([y, y]);
    expect(await y.read()).toEqual(Float32Array.of(10, 20));
    await expectClean(executor);
  });

  it("keeps what is disposed of until the work with it is done", async () => {
    const executor = await open();
    const add = await executor.compile(program("add"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    fake.isSlow = true;
    const [running, reading] = [add.run([x, x]), x.read()];
    x.dispose();
    x.dispose();
    const [sum] = await running;
    expect(await reading).toEqual(Float32Array.of(1, 2));
    const last = sum!.read();
    await executor.dispose();
    expect(await last).toEqual(Float32Array.of(2, 4));
    await expectClean(executor);
  });

  // Catches one waiting thread an array: a checkpoint reads hundreds at once, which koffi refuses.
  it("reads many arrays at once", async () => {
    const executor = await open();
    fake.isSlow = true;
    const arrays = Array.from({ length: 600 }, (_, i) => executor.upload(Float32Array.of(i, -i), pair));
    const all = await Promise.all(arrays.map((array) => array.read()));
    expect(all.map((data) => data[0])).toEqual(arrays.map((_, i) => i));
    await expectClean(executor);
  });

  it("ends what it compiles before it closes", async () => {
    const executor = await open();
    const compiling = executor.compile(program("add"));
    await executor.dispose();
    expect((await compiling).memory).toMatchObject({ codeBytes: 1 });
    await expectClean(executor);
  });

  it("is closed once, with everything that is left", async () => {
    const executor = await open();
    const add = await executor.compile(program("add"));
    const [x, y] = [executor.upload(Float32Array.of(1, 2), pair), executor.upload(Float32Array.of(1, 2), pair)];
    await executor.dispose();
    await executor.dispose();
    y.dispose();
    await add.dispose();
    expect((await failure(x.read())).code).toBe("PJRT_CLOSED");
    expect((await failure(add.run([x, x]))).code).toBe("PJRT_CLOSED");
    expect((await failure(executor.compile(program("add")))).code).toBe("PJRT_CLOSED");
    expect(() => executor.upload(Float32Array.of(1, 2), pair)).toThrow(
      expect.objectContaining({ code: "PJRT_CLOSED" }),
    );
    expect(fake.alive).toEqual({});
  });
});

describe("failures of a plugin", () => {
  it("come in its words, and are freed", async () => {
    const executor = await open();
    const error = await failure(executor.compile(program("nonsense")));
    expect(error).toMatchObject({ code: "XLA_COMPILE_FAILED", details: { status: "INVALID_ARGUMENT" } });
    expect(error.message).toContain('expected operation name at "nonsense"');
    expect((await failure(executor.compile(program("results 2")))).code).toBe("XLA_COMPILE_FAILED");
    await expectClean(executor);
  });

  // Catches a program's failure that shows as zeroes, since it comes after the call that started it.
  it("of a run come with the results that it did not make", async () => {
    const executor = await open();
    const failing = await executor.compile(program("fail the device is on fire"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    for (const isSlow of [false, true]) {
      fake.isSlow = isSlow;
      const [result] = await failing.run([x, x]);
      const error = await failure(result!.read());
      expect(error).toMatchObject({ code: "XLA_RUN_FAILED" });
      expect(error.message).toContain("the device is on fire");
    }
    await expectClean(executor);
  });

  it.each(["Client_BufferFromHostBuffer", "LoadedExecutable_Execute", "Buffer_ToHostBuffer"] as const)(
    "for want of memory in %s tell sizes",
    async (name) => {
      const executor = await open();
      const add = await executor.compile(program("add"));
      const x = executor.upload(Float32Array.of(1, 2), pair);
      fake.faults.set(name, {
        status: "RESOURCE_EXHAUSTED",
        words: "Out of memory while trying to allocate 4294967296 bytes.",
      });
      const use = async () => (await add.run([executor.upload(Float32Array.of(3, 4), pair), x]))[0]!.read();
      const error = await failure(use());
      expect(error).toMatchObject({ code: "OUT_OF_MEMORY", details: { askedBytes: 2 ** 32, bytesLimit: 2 ** 33 } });
      expect(error.message).toContain("4294967296 bytes (4.00 GiB) asked for, 8.00 GiB there, 1.00 GiB in use");
      expect(await use()).toEqual(Float32Array.of(4, 6));
      await expectClean(executor);
    },
  );

  it("to open are told, and leave nothing", async () => {
    const native = await Native.open();
    fake = new FakePlugin(native);
    fake.faults.set("Client_Create", { status: "UNAVAILABLE", words: "no CUDA driver" });
    const error = await failure(openExecutor(new PjrtApi(native, fake.address, "fake.so")));
    expect(error).toMatchObject({ code: "PJRT_OPEN_FAILED" });
    expect(error.message).toContain("no CUDA driver");
    expect(fake.alive).toEqual({});
    expect((await failure(open({}, { devices: 0 }))).code).toBe("PJRT_NO_DEVICE");
    expect(fake.alive).toEqual({});
    expect((await failure(open({ devices: 3 }, { devices: 2 }))).code).toBe("PJRT_DEVICES");
    expect(fake.alive).toEqual({});
  });

  it("of the caller are found before the plugin is asked", async () => {
    const executor = await open();
    const add = await executor.compile(program("add"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    const long = executor.upload(Float32Array.of(1, 2, 3), { dtype: "f32", shape: [3] });
    const codes = [add.run([x]), add.run([x, long]), add.run([x, { ...x, read: x.read, dispose: x.dispose }])];
    for (const run of codes) expect((await failure(run)).code).toBe("XLA_INPUTS");
    expect(() => executor.upload(Float32Array.of(1), pair)).toThrow(expect.objectContaining({ code: "UPLOAD_LENGTH" }));
    expect(() => executor.upload(Int32Array.of(1, 2), pair)).toThrow(
      expect.objectContaining({ code: "UPLOAD_LENGTH" }),
    );
    const two = program("add devices 2", { partitions: 2 });
    expect((await failure(executor.compile(two))).code).toBe("PJRT_DEVICES");
    await add.dispose();
    expect((await failure(add.run([x, x]))).code).toBe("PROGRAM_DISPOSED");
    await expectClean(executor);
  });
});

describe("versions of the interface", () => {
  // Catches arguments that a newer plugin refuses because its structs have grown.
  it("may be newer, with longer structs", async () => {
    const executor = await open({}, { laterBytes: 48, minor: 140 });
    const add = await executor.compile(program("add"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    expect(await (await add.run([x, x]))[0]!.read()).toEqual(Float32Array.of(2, 4));
    await expectClean(executor);
  });

  // Catches a call past the end of an older plugin's table: it would jump anywhere.
  it("may be older, with a table that ends before what Firth can do without", async () => {
    const executor = await open({}, { tableEnd: "Executable_GetCompiledMemoryStats" });
    expect((await executor.compile(program("add"))).memory).toBeUndefined();
    await expectClean(executor);
  });

  it.each([
    [0, 56],
    [1, 0],
  ])("%i.%i is refused", async (major, minor) => {
    expect((await failure(open({}, { major, minor }))).code).toBe("PJRT_VERSION");
  });
});

describe("files that are no plugin", () => {
  it("are told apart", async () => {
    const absent = join(folder, "absent.so");
    expect((await failure(openPjrt({ plugin: absent }))).code).toBe("PJRT_LIBRARY_MISSING");
    const broken = join(folder, "broken.so");
    writeFileSync(broken, "not a library");
    expect((await failure(openUntested({ plugin: broken }))).code).toBe("PJRT_LIBRARY_BROKEN");
    const { platform, arch } = process;
    const addon = createRequire(import.meta.url).resolve(`@koromix/koffi-${platform}-${arch}/package.json`);
    const other = join(dirname(addon), `${platform}_${arch}`, "koffi.node");
    expect((await failure(openUntested({ plugin: other }))).code).toBe("PJRT_NOT_A_PLUGIN");
    // Tried in another process first, where a crash would harm nobody.
    const tried = await failure(openPjrt({ plugin: other }, { cacheFolder: folder }));
    expect(tried).toMatchObject({ code: "PJRT_UNUSABLE", message: expect.stringContaining("has no GetPjrtApi") });
  });
});

describe("several devices", () => {
  const whole = { dtype: "f32", shape: [2, 4] } as const;
  const numbers = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  // Catches parts that are cut across rows, or joined in another order than they were cut.
  it.each([0, 1])("share an array along axis %i", async (axis) => {
    const executor = await open({ devices: 2 }, { devices: 2 });
    const sharding = { axis };
    const negate = await executor.compile(
      program("negate devices 2", {
        inputs: [whole],
        outputs: [whole],
        partitions: 2,
        inputShardings: [sharding],
        outputShardings: [sharding],
      }),
    );
    const array = executor.upload(numbers, whole, sharding);
    expect(await array.read()).toEqual(numbers);
    const [result] = await negate.run([array]);
    expect(result!.sharding).toEqual(sharding);
    expect(await result!.read()).toEqual(numbers.map((x) => -x));
    expect((await failure(negate.run([executor.upload(numbers, whole)]))).code).toBe("XLA_INPUTS");
    await expectClean(executor);
  });

  it("have copies where a tensor is whole", async () => {
    const executor = await open({ devices: 2 }, { devices: 2 });
    const one = await executor.compile(program("add"));
    const two = await executor.compile(program("add devices 2", { partitions: 2 }));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    expect(fake.alive.buffer).toBe(2);
    const [sum] = await one.run([x, x]);
    const [twice] = await two.run([sum!, x]);
    expect(await twice!.read()).toEqual(Float32Array.of(3, 6));
    expect(fake.calls.filter((name) => name === "Buffer_CopyToDevice")).toHaveLength(1);
    await expectClean(executor);
  });

  it("cut only what they divide", async () => {
    const executor = await open({ devices: 2 }, { devices: 2 });
    expect(() => executor.upload(Float32Array.of(1, 2, 3), { dtype: "f32", shape: [3] }, { axis: 0 })).toThrow(
      expect.objectContaining({ code: "SHARDING_UNEVEN" }),
    );
    await expectClean(executor);
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
    const executor = await open({ platform: "cpu", devices: 1, options });
    expect(Object.fromEntries(fake.createOptions)).toEqual(options);
    await expectClean(executor);
  });

  it("say which fused kernels there are", async () => {
    const names = async (like: FakeOptions) => {
      const executor = await open({}, like);
      const { customCalls } = executor.facts;
      await executor.dispose();
      return customCalls;
    };
    expect(await names({})).toEqual(new Set());
    expect(await names({ platform: "cuda", attributes: { compute_capability: "7.5" } })).toEqual(new Set());
    const calls = await names({ platform: "cuda", attributes: { compute_capability: "9.0", vendor: "NVIDIA" } });
    expect(calls).toContain("__cudnn$fmhaSoftmaxBackward");
  });

  it("keep compiled programs, unless they are damaged", async () => {
    const options = { compileCache: join(folder, "cache") };
    const use = async (): Promise<readonly string[]> => {
      const executor = await open(options);
      const add = await executor.compile(program("add"));
      const x = executor.upload(Float32Array.of(1, 2), pair);
      expect(await (await add.run([x, x]))[0]!.read()).toEqual(Float32Array.of(2, 4));
      await expectClean(executor);
      return fake.calls.filter((name) => name === "Client_Compile" || name === "Executable_DeserializeAndLoad");
    };
    expect(await use()).toEqual(["Client_Compile"]);
    expect(await use()).toEqual(["Executable_DeserializeAndLoad"]);
    const [name, ...others] = readdirSync(options.compileCache);
    expect(others).toEqual([]);
    const file = join(options.compileCache, name!);
    const bytes = readFileSync(file);
    bytes[40]! ^= 1;
    writeFileSync(file, bytes);
    expect(await use()).toEqual(["Client_Compile"]);
  });
});

describe("several hosts", () => {
  // Catches a callback whose struct is laid out otherwise, and a value that is freed before the plugin has copied it.
  it("exchange keys and values through a store", async () => {
    const store = new FolderStore(join(folder, "store"));
    const second = { index: 1, count: 2, store };
    store.put("local:0", new TextEncoder().encode("node 0"));
    const executor = await open({ host: second });
    expect(new TextDecoder().decode(store.tryGet("local:1"))).toBe("node 1");
    expect(Object.fromEntries(fake.createOptions)).toEqual({ node_id: 1, num_nodes: 2 });
    await expectClean(executor);
  });

  it("are waited for no longer than the plugin says", async () => {
    const store = { get: () => undefined, tryGet: () => undefined, put: () => undefined };
    const error = await failure(open({ host: { index: 0, count: 2, store } }));
    expect(error).toMatchObject({ code: "PJRT_OPEN_FAILED", details: { status: "DEADLINE_EXCEEDED" } });
    expect(error.message).toContain("no local:0 after 2000 ms");
    const broken = {
      ...store,
      put: () => {
        throw new Error("the folder is gone");
      },
    };
    expect((await failure(open({ host: { index: 0, count: 2, store: broken } }))).message).toContain(
      "the folder is gone",
    );
  });
});
