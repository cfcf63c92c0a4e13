import { describe, expect, it } from "vitest";
import { encodeCompileOptions } from "./compile-options.ts";
import { FakePlugins, failure, pair, program } from "./testing/harness.ts";

const plugins = new FakePlugins();

describe("programs", () => {
  it("run, and tell what they take", async () => {
    const executor = await plugins.open({ flags: { xla_flag: true } });
    const add = await executor.compile(program("add"));
    const compiledWith = { partitions: 1, devices: [5], usesShardy: false, flags: { xla_flag: true } };
    expect(plugins.last.compileOptions).toEqual(encodeCompileOptions(compiledWith));
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
    expect(plugins.last.nonDonatable).toEqual([0, 1]);
    await plugins.expectClean(executor);
  });

  // Catches maxima that lose NaNs on processors, and a later compiler without that flag, which would refuse every program.
  it("have flags of a processor's compiler, as long as it has them", async () => {
    const executor = await plugins.open({}, { platform: "cpu" });
    const compiledWith = (flags: Readonly<Record<string, boolean>>) =>
      encodeCompileOptions({ partitions: 1, devices: [5], usesShardy: false, flags });
    await executor.compile(program("add"));
    expect(plugins.last.compileOptions).toEqual(compiledWith({ xla_cpu_enable_fast_min_max: false }));
    const words = "No such compile option: 'xla_cpu_enable_fast_min_max'";
    plugins.last.faults.set("Client_Compile", { status: "INVALID_ARGUMENT", words });
    await executor.compile(program("add"));
    expect(plugins.last.compileOptions).toEqual(compiledWith({}));
    const other = words.replace("xla_cpu", "xla_gpu");
    plugins.last.faults.set("Client_Compile", { status: "INVALID_ARGUMENT", words: other });
    expect((await failure(executor.compile(program("add")))).message).toContain(other);
    await plugins.expectClean(executor);
  });

  // Catches a donated array that is freed twice, read as garbage, or kept; and one that is donated against the program's word.
  it("are given donated arrays, and take no others", async () => {
    const executor = await plugins.open();
    const update = await executor.compile(program("add donate 0", { donated: [0] }));
    const [x, y] = [executor.upload(Float32Array.of(1, 2), pair), executor.upload(Float32Array.of(10, 20), pair)];
    const [sum] = await update.run([x, y]);
    expect(plugins.last.nonDonatable).toEqual([1]);
    expect((await failure(x.read())).code).toBe("ARRAY_DISPOSED");
    expect((await failure(update.run([x, y]))).code).toBe("ARRAY_DISPOSED");
    x.dispose();
    expect(await sum!.read()).toEqual(Float32Array.of(11, 22));
    expect(await y.read()).toEqual(Float32Array.of(10, 20));
    const cautious = await executor.compile(program("add donate 0"));
    await cautious.run([y, y]);
    expect(await y.read()).toEqual(Float32Array.of(10, 20));
    await plugins.expectClean(executor);
  });

  it("keep what is disposed of until the work with it is done", async () => {
    const executor = await plugins.open();
    const add = await executor.compile(program("add"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    plugins.last.isSlow = true;
    const [running, reading] = [add.run([x, x]), x.read()];
    x.dispose();
    x.dispose();
    const [sum] = await running;
    expect(await reading).toEqual(Float32Array.of(1, 2));
    const last = sum!.read();
    await executor.dispose();
    expect(await last).toEqual(Float32Array.of(2, 4));
    await plugins.expectClean(executor);
  });

  // Catches lists of addresses that a second run overwrites while the first is still being given to the plugin.
  it("may be started again before the first run has begun", async () => {
    const executor = await plugins.open();
    const add = await executor.compile(program("add"));
    const arrays = [1, 2, 3, 4].map((x) => executor.upload(Float32Array.of(x, 10 * x), pair));
    const running = arrays.map((array) => add.run([array, arrays[0]!]));
    const sums = await Promise.all((await Promise.all(running)).map(([sum]) => sum!.read()));
    expect(sums.map((sum) => [...sum])).toEqual([1, 2, 3, 4].map((x) => [x + 1, 10 * x + 10]));
    await plugins.expectClean(executor);
  });

  it("are compiled to the end before an engine closes", async () => {
    const executor = await plugins.open();
    const compiling = executor.compile(program("add"));
    await executor.dispose();
    expect((await compiling).memory).toMatchObject({ codeBytes: 1 });
    await plugins.expectClean(executor);
  });

  it("are gone with their engine, which is closed once, with everything that is left", async () => {
    const executor = await plugins.open();
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
    expect(plugins.last.alive).toEqual({});
  });
});

describe("failures of a plugin", () => {
  it("come in its words, and are freed", async () => {
    const executor = await plugins.open();
    const error = await failure(executor.compile(program("nonsense")));
    expect(error).toMatchObject({ code: "XLA_COMPILE_FAILED", details: { status: "INVALID_ARGUMENT" } });
    expect(error.message).toContain('expected operation name at "nonsense"');
    expect((await failure(executor.compile(program("results 2")))).code).toBe("XLA_COMPILE_FAILED");
    await plugins.expectClean(executor);
  });

  // Catches a program's failure that shows as zeroes, since it comes after the call that started it.
  it("of a run come with the results that it did not make", async () => {
    const executor = await plugins.open();
    const failing = await executor.compile(program("fail the device is on fire"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    for (const isSlow of [false, true]) {
      plugins.last.isSlow = isSlow;
      const [result] = await failing.run([x, x]);
      const error = await failure(result!.read());
      expect(error).toMatchObject({ code: "XLA_RUN_FAILED" });
      expect(error.message).toContain("the device is on fire");
    }
    await plugins.expectClean(executor);
  });

  it.each(["Client_BufferFromHostBuffer", "LoadedExecutable_Execute", "Buffer_ToHostBuffer"] as const)(
    "for want of memory in %s tell sizes",
    async (name) => {
      const executor = await plugins.open();
      const add = await executor.compile(program("add"));
      const x = executor.upload(Float32Array.of(1, 2), pair);
      plugins.last.faults.set(name, {
        status: "RESOURCE_EXHAUSTED",
        words: "Out of memory while trying to allocate 4294967296 bytes.",
      });
      const use = async () => (await add.run([executor.upload(Float32Array.of(3, 4), pair), x]))[0]!.read();
      const error = await failure(use());
      expect(error).toMatchObject({ code: "OUT_OF_MEMORY", details: { askedBytes: 2 ** 32, bytesLimit: 2 ** 33 } });
      expect(error.message).toContain("4294967296 bytes (4.00 GiB) asked for, 8.00 GiB there, 1.00 GiB in use");
      expect(await use()).toEqual(Float32Array.of(4, 6));
      await plugins.expectClean(executor);
    },
  );

  it("of the caller are found before the plugin is asked", async () => {
    const executor = await plugins.open();
    const add = await executor.compile(program("add"));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    const long = executor.upload(Float32Array.of(1, 2, 3), { dtype: "f32", shape: [3] });
    const runs = [add.run([x]), add.run([x, long]), add.run([x, { ...x, read: x.read, dispose: x.dispose }])];
    for (const run of runs) expect((await failure(run)).code).toBe("XLA_INPUTS");
    const two = program("add devices 2", { partitions: 2 });
    expect((await failure(executor.compile(two))).code).toBe("PJRT_DEVICES");
    await add.dispose();
    expect((await failure(add.run([x, x]))).code).toBe("PROGRAM_DISPOSED");
    await plugins.expectClean(executor);
  });
});
