import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, execPath } from "node:process";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { DnnEngine } from "./binding/engine.ts";
import { checkMajor, describeIsa, openLibrary } from "./binding/library.ts";
import type { HostKernel } from "./host-kernel.ts";
import { hostKernels } from "./host-kernels.ts";
import { ProgramInstance } from "./instance.ts";
import type { MatmulStep, Operand, Program, Step } from "./program.ts";
import { dense, openCases, TestMemory, testTensor, transposed, zeros } from "./testing.ts";
import { EngineThread } from "./thread.ts";

const cases = await openCases(env["FIRTH_TEST_ONEDNN3"]);
afterAll(() => Promise.all(cases.map(({ engine }) => engine?.dispose())));

/** Makes false libraries; that test is skipped where there is none. */
const compiler = ["cc", "gcc", "clang"].find((name) => spawnSync(name, ["--version"]).status === 0);

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "firth-onednn-test-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const relu = (source: Operand, target: Operand): Step => ({
  kind: "eltwise",
  label: "relu at model.ts:1",
  algorithm: "relu",
  alpha: 0,
  beta: 0,
  source,
  target,
  postOps: [],
});

const matmul = (source: Operand, weights: Operand, target: Operand): MatmulStep => ({
  kind: "matmul",
  label: "dot at model.ts:2",
  source,
  weights,
  target,
  postOps: [],
});

/** Runs a program in a process of its own and gives how it ended. */
function child(
  code: string,
  options: { readonly flags?: readonly string[]; readonly env?: Record<string, string> } = {},
) {
  const file = join(folder, "program.mts");
  const module = (name: string): string => JSON.stringify(new URL(`./${name}.ts`, import.meta.url).href);
  writeFileSync(
    file,
    `import { EngineThread } from ${module("thread")};
import { TestMemory, dense, testTensor, zeros } from ${module("testing")};
const library = process.env.LIBRARY ? { libraryPath: process.env.LIBRARY } : {};
${code}`,
  );
  const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const run = spawnSync(execPath, [...(options.flags ?? []), "--import", loader, file], {
    encoding: "utf8",
    env: { ...env, ...options.env },
    timeout: 50_000,
  });
  return { status: run.status, signal: run.signal, output: run.stdout.trim(), errors: run.stderr.trim() };
}

/** Four large products, long enough to be met while they run. */
const longProgram = `
const memory = new TestMemory();
const view = dense("f32", 512, 512);
const [a, b, y] = [memory.input(testTensor(view, 1)), memory.input(testTensor(view, 2)), memory.input(zeros(view))];
const steps = Array.from({ length: 200 }, () => ({ kind: "matmul", label: "t", source: a, weights: b, target: y, postOps: [] }));
`;

describe("opening", () => {
  it.each([
    ["a path without a file", () => join(folder, "none.so"), "ONEDNN_LIBRARY_MISSING", "apt install libdnnl2"],
    ["a file that is no library", () => new URL(import.meta.url).pathname, "ONEDNN_LIBRARY_BROKEN", "does not load"],
  ])("refuses %s, saying what to do", async (_, path, code, text) => {
    const selfTest = { cacheFolder: folder };
    await expect(EngineThread.open({ libraryPath: path(), selfTest })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text),
    });
  });

  it("refuses a library that is not oneDNN", async () => {
    const maps = readFileSync("/proc/self/maps", "utf8");
    const other = /(\/\S*libstdc\+\+\S*)/.exec(maps)?.[1];
    if (other === undefined) return;
    await expect(EngineThread.open({ libraryPath: other, selfTest: { cacheFolder: folder } })).rejects.toMatchObject({
      code: "ONEDNN_LIBRARY_BROKEN",
      message: expect.stringContaining("not oneDNN"),
    });
  });

  // Catches a library of a later major called by the layout of an earlier one.
  it.skipIf(compiler === undefined)("refuses a library of an unknown major, and one that crashes", async () => {
    const build = (name: string, version: string): string => {
      const source = join(folder, `${name}.c`);
      const library = join(folder, `${name}.so`);
      writeFileSync(
        source,
        `typedef struct { int major, minor, patch; const char *hash; unsigned cpu, gpu; } version_t;
static version_t version = { 4, 1, 2, "x", 2, 0 };
version_t *dnnl_version(void) { return ${version}; }`,
      );
      execFileSync(compiler!, ["-shared", "-fPIC", "-o", library, source]);
      return library;
    };
    const open = (libraryPath: string) => EngineThread.open({ libraryPath, selfTest: { cacheFolder: folder } });
    await expect(open(build("later", "&version"))).rejects.toMatchObject({
      code: "ONEDNN_VERSION",
      message: expect.stringMatching(/later\.so is oneDNN 4\.1\.2; Firth knows 2\.x and 3\.x/),
    });
    await expect(open(build("broken", "(version_t *)8"))).rejects.toMatchObject({
      code: "ONEDNN_UNUSABLE",
      message: expect.stringContaining("SIGSEGV"),
    });
  });

  it("knows majors 2 and 3 and refuses others", () => {
    expect([checkMajor(2, "2.6.3", "x"), checkMajor(3, "3.2.0", "x")]).toEqual([2, 3]);
    for (const major of [1, 4, 0]) {
      expect(() => checkMajor(major, `${major}.0.0`, "/lib/x.so")).toThrow(
        /\/lib\/x\.so is oneDNN \d\.0\.0; Firth knows/,
      );
    }
  });

  it("knows what a processor can do, for both majors", () => {
    expect(describeIsa(0xe7, 2)).toEqual({ name: "AVX512-BF16", bf16: true });
    expect(describeIsa(0x3e7, 2)).toEqual({ name: "AVX512-BF16 and AMX", bf16: true });
    expect(describeIsa(0xfef, 3)).toEqual({ name: "AVX512-BF16, FP16 and AMX", bf16: true });
    expect(describeIsa(0x67, 3)).toEqual({ name: "AVX512-VNNI", bf16: false });
    expect(describeIsa(0x407, 2)).toEqual({ name: "AVX2-VNNI", bf16: false });
    expect(() => describeIsa(0x3, 3)).toThrow(/has AVX; the engine needs AVX2/);
  });

  it("refuses a processor that is too old, as the library sees it", async () => {
    if (cases[0]!.engine === undefined) return;
    await expect(openLibrary(undefined, { isa: 0x3 })).rejects.toMatchObject({ code: "ONEDNN_CPU" });
  });

  it("refuses threads that are no number of threads", async () => {
    await expect(EngineThread.open({ threads: 0 })).rejects.toMatchObject({ code: "ONEDNN_THREADS" });
  });

  // Catches a library that crashes the user's program instead of the self-test's child.
  it("refuses a library whose self-test crashes", async () => {
    const engine = cases[0]!.engine;
    if (engine === undefined) return;
    const file = join(folder, "program.mjs");
    writeFileSync(file, "process.abort()");
    const selfTest = { cacheFolder: folder, program: { url: pathToFileURL(file), execArgv: [] } };
    await expect(EngineThread.open({ selfTest })).rejects.toMatchObject({
      code: "ONEDNN_UNUSABLE",
      message: expect.stringContaining("SIGABRT"),
    });
  });
});

describe.each(cases)("the engine thread with $name", ({ engine, missing }) => {
  if (engine === undefined) {
    it.skip(`skipped: ${missing}`, () => undefined);
    return;
  }
  const libraryPath = engine.info.path;
  const library = { env: { LIBRARY: libraryPath } };

  it("says what it is", async () => {
    expect(engine.info).toMatchObject({ runtime: expect.stringMatching(/OpenMP|TBB|sequential/) });
    expect(engine.info.version).toMatch(/^[23]\.\d+\.\d+$/);
    expect(await engine.gemmRate("f32")).toBeGreaterThan(0.1);
  });

  // Catches regions of the first run used for ever, and an answer that overtakes the run before.
  it("runs one program over changing regions, in the order of the calls", async () => {
    const first = new TestMemory();
    const second = new TestMemory();
    const view = dense("f32", 33);
    const tensors = [testTensor(view, 1), testTensor(view, 2)] as const;
    const operands = [first, second].map(
      (memory, i) => [memory.input(tensors[i]!), memory.input(zeros(view))] as const,
    );
    const compiled = await engine.compile(first.program([relu(...operands[0]!)]));
    for (let round = 0; round < 3; round++) {
      await Promise.all([first.run(engine, compiled), second.run(engine, compiled), first.run(engine, compiled)]);
    }
    for (const [i, memory] of [first, second].entries()) {
      expect(memory.read(operands[i]![1])).toEqual(tensors[i]!.values.map((value) => Math.max(value, 0)));
    }
    await engine.release(compiled);
    await expect(first.run(engine, compiled)).rejects.toMatchObject({ code: "PROGRAM_RELEASED" });
  });

  it("names the step that the library refuses, and works on", async () => {
    const memory = new TestMemory();
    const view = dense("f32", 8, 8);
    const [x, y] = [memory.input(testTensor(view, 1)), memory.input(zeros(dense("f32", 8, 9)))];
    await expect(engine.compile(memory.program([relu(x, x), matmul(x, x, y)]))).rejects.toMatchObject({
      code: "ONEDNN_REFUSED",
      path: "onednn: dot at model.ts:2",
    });
    const ok = new TestMemory();
    const [a, b] = [ok.input(testTensor(view, 1)), ok.input(zeros(view))];
    await ok.runSteps(engine, [relu(a, b)]);
    expect(ok.read(b)).toEqual(testTensor(view, 1).values.map((value) => Math.max(value, 0)));
  });

  // Catches operands that read or write beyond their memory.
  it("refuses operands that leave their place", async () => {
    const memory = new TestMemory();
    const x = memory.input(testTensor(dense("f32", 8), 1));
    const far: Operand = { ...x, place: { kind: "arena", offset: 4 } };
    const program: Program = { ...memory.program([relu(x, far)]), arenaBytes: 32 };
    await expect(engine.compile(program)).rejects.toMatchObject({
      code: "ONEDNN_PROGRAM",
      message: expect.stringContaining("bytes 4..36 do not lie in the arena of 32 bytes"),
    });
    const strided: Operand = { ...x, view: { ...x.view, strides: [2] } };
    await expect(engine.compile(memory.program([relu(strided, x)]))).rejects.toMatchObject({ code: "ONEDNN_PROGRAM" });
    const negative: Operand = { ...x, view: { ...x.view, strides: [-1] } };
    await expect(engine.compile(memory.program([relu(negative, x)]))).rejects.toMatchObject({ code: "ONEDNN_PROGRAM" });
  });

  it("refuses regions of another size, count, or in private memory", async () => {
    const memory = new TestMemory();
    const view = dense("f32", 8);
    const [x, y] = [memory.input(testTensor(view, 1)), memory.input(zeros(view))];
    const compiled = await engine.compile(memory.program([relu(x, y)]));
    const region = { buffer: new SharedArrayBuffer(64), byteOffset: 0, byteLength: 32 };
    const run = (...regions: (typeof region)[]): Promise<number> => engine.run(compiled, regions, []);
    await expect(run(region)).rejects.toMatchObject({ code: "REGION_COUNT" });
    await expect(run(region, { ...region, byteOffset: 40 })).rejects.toMatchObject({ code: "REGION_SIZE" });
    await expect(run(region, { ...region, byteLength: 28 })).rejects.toMatchObject({ code: "REGION_SIZE" });
    const own = { ...region, buffer: new ArrayBuffer(64) as unknown as SharedArrayBuffer };
    await expect(run(region, own)).rejects.toMatchObject({ code: "REGION_MEMORY" });
    await engine.release(compiled);
  });

  it("says which host kernel is missing", async () => {
    const memory = new TestMemory();
    const step: Step = { kind: "host", label: "gather at x.ts:3", kernel: "none", params: {}, inputs: [], outputs: [] };
    await expect(engine.compile(memory.program([step]))).rejects.toMatchObject({ code: "HOST_KERNEL_MISSING" });
    expect(hostKernels["none"]).toBeUndefined();
  });

  // Catches an instance that cannot run again after one of its kernels threw.
  it("names the host kernel that throws, and runs again", async () => {
    const kernels = hostKernels as Record<string, HostKernel>;
    let broken = true;
    kernels["test: throws"] =
      () =>
      (_, [target]) => {
        if (broken) throw new TypeError("no such row");
        target!.fill(7);
      };
    try {
      const library = await openLibrary(libraryPath);
      const own = new DnnEngine(library, 2);
      const output = {
        dtype: "f32",
        shape: [4],
        strides: [1],
        place: { kind: "output", index: 0, offset: 0 },
      } as const;
      const step: Step = {
        kind: "host",
        label: "gather at x.ts:3",
        kernel: "test: throws",
        params: {},
        inputs: [],
        outputs: [output],
      };
      const outputs = [{ dtype: "f32", shape: [4] }] as const;
      const instance = new ProgramInstance(own, {
        ...{ name: "test", steps: [step], arenaBytes: 0, constants: [], inputs: [], outputs },
      });
      const buffer = new SharedArrayBuffer(16);
      const region = { buffer, address: library.addressOf(buffer), byteOffset: 0 };
      expect(() => {
        instance.run([], [region]);
      }).toThrow(/gather at x\.ts:3: the host kernel failed: TypeError: no such row/);
      broken = false;
      instance.run([], [region]);
      expect([...new Float32Array(buffer)]).toEqual([7, 7, 7, 7]);
      instance.dispose();
      own.dispose();
    } finally {
      delete kernels["test: throws"];
    }
  });

  // Catches a program that frees what a run in flight still uses.
  it("disposes after the run that was asked for", async () => {
    const own = await EngineThread.open({ threads: 2, libraryPath });
    const memory = new TestMemory();
    const view = dense("f32", 256, 256);
    const [a, y] = [memory.input(testTensor(view, 1)), memory.input(zeros(view))];
    const compiled = await own.compile(memory.program(Array.from({ length: 50 }, () => matmul(a, a, y))));
    const running = memory.run(own, compiled);
    const ended = own.dispose();
    await running;
    await ended;
    expect(memory.read(y).some((value) => value !== 0)).toBe(true);
    await expect(own.gemmRate("f32")).rejects.toMatchObject({ code: "ENGINE_DISPOSED" });
    await expect(memory.run(own, compiled)).rejects.toMatchObject({ code: "ENGINE_DISPOSED" });
    await own.dispose();
  });

  // Catches threads of the library that outlive their engine.
  it("opens and closes many times without leaving threads behind", async () => {
    const threads = (): number => Number(/Threads:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
    const cycle = async (): Promise<void> => {
      const own = await EngineThread.open({ threads: 3, libraryPath });
      const memory = new TestMemory();
      const view = dense("f32", 64, 64);
      const [a, y] = [memory.input(testTensor(view, 1)), memory.input(zeros(view))];
      await memory.runSteps(own, [matmul(a, a, y)]);
      await own.dispose();
    };
    await cycle();
    const before = threads();
    for (let i = 0; i < 5; i++) await cycle();
    expect(threads()).toBeLessThanOrEqual(before + 1);
  });

  // Catches buffers that native code uses after they were collected or moved.
  it("computes right under forced garbage collection, and lets collected memories go", () => {
    const { status, signal, output, errors } = child(
      `import { readFileSync } from "node:fs";
// Every shared memory reserves about 10 GB of addresses: 30 of them would be 300.
const memory = () => Number(/VmSize:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
const engine = await EngineThread.open({ threads: 2, ...library });
const start = memory();
let wrong = 0;
for (let round = 0; round < 30; round++) {
  const own = new TestMemory();
  const view = dense("f32", 48, 48);
  const x = testTensor(view, round);
  const [a, y] = [own.input(x), own.input(zeros(view))];
  const steps = [{ kind: "eltwise", label: "t", algorithm: "square", alpha: 0, beta: 0, source: a, target: y, postOps: [] }];
  const compiled = await engine.compile(own.program(steps));
  gc();
  await own.run(engine, compiled);
  gc();
  await own.run(engine, compiled);
  if (own.read(y).some((value, i) => Math.abs(value - x.values[i] ** 2) > 1e-6)) wrong++;
  if (round % 2 === 0) await engine.release(compiled);
}
gc();
await new Promise((resolve) => setTimeout(resolve, 300));
const left = memory() - start;
await engine.dispose();
console.log("wrong", wrong);
if (left > 100e6) console.log("memories stay, in kB:", left);`,
      { flags: ["--expose-gc"], ...library },
    );
    expect({ status, signal, output, errors: errors.split("\n").at(-1) }).toMatchObject({
      status: 0,
      signal: null,
      output: "wrong 0",
    });
  });

  // Catches a crash when the library's threads meet the end of the process.
  it.each([
    ["while idle", "process.exit(7);", 7],
    ["while running", "void memory.run(engine, compiled).catch(() => 0); setTimeout(() => process.exit(7), 30);", 7],
    [
      "by an uncaught error while running",
      "void memory.run(engine, compiled); setTimeout(() => { throw new Error('own'); }, 30);",
      1,
    ],
    ["by itself, without dispose", "await memory.run(engine, compiled);", 0],
  ])("lets the process end %s", (_, ending, status) => {
    const code = `${longProgram}
const engine = await EngineThread.open({ threads: 2, ...library });
const compiled = await engine.compile(memory.program(steps));
${ending}`;
    expect(child(code, library)).toMatchObject({ status, signal: null });
  });

  // Catches a program that hangs or dies when the thread does.
  it("fails all calls when its thread is ended from outside", () => {
    const { status, output } = child(
      `import { Worker } from "node:worker_threads";
const workers = [];
const on = Worker.prototype.on;
Worker.prototype.on = function (...args) { if (!workers.includes(this)) workers.push(this); return on.apply(this, args); };
${longProgram}
const engine = await EngineThread.open({ threads: 2, ...library });
const compiled = await engine.compile(memory.program(steps));
const running = memory.run(engine, compiled).catch((error) => error.code);
setTimeout(() => workers.at(-1).terminate(), 30);
const codes = [await running, await memory.run(engine, compiled).catch((error) => error.code)];
await engine.dispose();
console.log(codes.join());`,
      library,
    );
    expect({ status, output }).toEqual({ status: 0, output: "WORKER_FAILED,WORKER_FAILED" });
  });

  it("refuses a processor that is too old, and bf16 where there is none", () => {
    const code = `const report = (error) => error.code;
const engine = await EngineThread.open({ threads: 1, ...library }).catch(report);
if (typeof engine === "string") console.log(engine);
else {
  const rate = await engine.gemmRate("bf16").catch(report);
  const memory = new TestMemory();
  const x = memory.input(zeros(dense("bf16", 4)));
  const steps = [{ kind: "reorder", label: "t", source: x, target: x }];
  console.log(engine.info.isa, rate, await engine.compile(memory.program(steps)).catch(report));
  await engine.dispose();
}`;
    const run = (isa: string) => child(code, { env: { LIBRARY: libraryPath, DNNL_MAX_CPU_ISA: isa } }).output;
    expect(run("SSE41")).toBe("ONEDNN_CPU");
    expect(run("AVX2")).toBe("AVX2 ONEDNN_CPU_BF16 ONEDNN_CPU_BF16");
  });

  // Catches a slow plain loop taken in silence for a large tensor.
  it("refuses reference implementations of large tensors unless they are accepted", async () => {
    const memory = new TestMemory();
    const [x, w] = [
      memory.input(testTensor(dense("s32", 64, 128), 1)),
      memory.input(testTensor(dense("s32", 64, 128), 2)),
    ];
    const y = memory.input(zeros(transposed("s32", 64, 128)));
    const step: Step = { kind: "binary", label: "t", algorithm: "add", left: x, right: w, target: y, postOps: [] };
    const outcome = await engine.compile(memory.program([step])).then(
      ({ implementations }) => implementations[0],
      (error: { readonly code: string }) => error.code,
    );
    const accepted = await engine.compile(memory.program([{ ...step, acceptReference: true }])).then(
      ({ implementations }) => implementations[0],
      (error: { readonly code: string }) => error.code,
    );
    if (accepted?.startsWith("ref") === true) expect(outcome).toBe("ONEDNN_REFERENCE");
    else expect(outcome).toBe(accepted);
  });
});
