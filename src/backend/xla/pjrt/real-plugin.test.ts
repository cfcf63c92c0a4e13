/** @file What the fake cannot show: a compiler of StableHLO behind the interface. `FIRTH_TEST_PJRT`, or `FIRTH_TEST_XLA`, names a CPU plugin's file. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FirthError } from "../../../base/errors.ts";
import { siblingModule } from "../../../base/sibling-module.ts";
import type { XlaExecutor, XlaProgram } from "../executor.ts";
import { libraryKind } from "../plugin/find-library.ts";
import { selfTestXla } from "../self-test.ts";
import { openPjrt } from "./open-pjrt.ts";

const { FIRTH_TEST_PJRT, FIRTH_TEST_XLA = "" } = process.env;
const plugin = FIRTH_TEST_PJRT ?? (libraryKind(FIRTH_TEST_XLA) === "pjrt" ? FIRTH_TEST_XLA : "");
const isHere = plugin !== "" && existsSync(plugin);

let folder: string;
let executor: XlaExecutor;

const scalar = { dtype: "f32", shape: [] } as const;
const row = (size: number) => ({ dtype: "f32", shape: [size] }) as const;

function program(text: string, given: Partial<XlaProgram>): XlaProgram {
  return {
    name: "test",
    text,
    inputs: [],
    outputs: [],
    donated: [],
    partitions: 1,
    inputShardings: [],
    outputShardings: [],
    ...given,
  };
}

async function failure(work: Promise<unknown>): Promise<FirthError> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(FirthError);
  return error as FirthError;
}

const update = program(
  `func.func @main(%w: tensor<4xf32> {tf.aliasing_output = 0 : i32}, %g: tensor<4xf32>) -> (tensor<4xf32>, tensor<f32>) {
    %0 = stablehlo.subtract %w, %g : tensor<4xf32>
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<f32>
    return %0, %1 : tensor<4xf32>, tensor<f32>
  }`,
  { inputs: [row(4), row(4)], outputs: [row(4), { dtype: "f32", shape: [] }], donated: [0] },
);

describe.skipIf(!isHere)("a real CPU plugin (FIRTH_TEST_PJRT)", () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "firth-real-pjrt-"));
    executor = await openPjrt({ plugin, platform: "cpu", devices: 2, compileCache: join(folder, "cache") });
  });
  afterAll(async () => {
    await executor.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it("tells what it is", () => {
    expect(executor.facts).toMatchObject({ library: "pjrt", platform: "cpu", devices: 2 });
    expect(executor.facts.description).toMatch(/PJRT 0\.\d+/);
  });

  it("donates weights and gives the loss back", async () => {
    const step = await executor.compile(update);
    expect(step.memory).toMatchObject({ argumentBytes: 32, aliasBytes: 16 });
    let weights = executor.upload(Float32Array.of(1, 2, 3, 4), row(4));
    const gradient = executor.upload(Float32Array.of(0.5, 0.5, 0.5, 0.5), row(4));
    for (let i = 0; i < 100; i++) {
      const [next, loss] = await step.run([weights, gradient]);
      expect((await failure(weights.read())).code).toBe("ARRAY_DISPOSED");
      weights = next!;
      if (i === 99) expect(await loss!.read()).toEqual(Float32Array.of(10 - 200));
      loss!.dispose();
    }
    expect(await weights.read()).toEqual(Float32Array.of(-49, -48, -47, -46));
    for (const array of [weights, gradient]) array.dispose();
    await step.dispose();
  });

  it("says what is wrong with a text", async () => {
    const error = await failure(executor.compile(program("func.func @main() { nonsense }", {})));
    expect(error.code).toBe("XLA_COMPILE_FAILED");
    expect(error.message).toContain("nonsense");
  });

  // Catches a plugin's failure to allocate that ends the process, or comes without its size.
  it("says how much memory was wanting", async () => {
    const size = 2 ** 50;
    const huge = program(
      `func.func @main(%x: tensor<f32>) -> (tensor<${size}xf32>, tensor<f32>) {
        %0 = stablehlo.broadcast_in_dim %x, dims = [] : (tensor<f32>) -> tensor<${size}xf32>
        %1 = stablehlo.negate %x : tensor<f32>
        return %0, %1 : tensor<${size}xf32>, tensor<f32>
      }`,
      { inputs: [scalar], outputs: [row(size), scalar] },
    );
    const run = async () => {
      const executable = await executor.compile(huge);
      const [, small] = await executable.run([executor.upload(Float32Array.of(1), scalar)]);
      // A run that fails fails with all of its results.
      await small!.read();
    };
    const error = await failure(run());
    expect(error.code).toBe("OUT_OF_MEMORY");
    expect(error.message).toContain(`${4 * size}`);
  });

  it("shares work between devices", async () => {
    const whole = { dtype: "f32", shape: [4, 2] } as const;
    const text = `module @sum attributes {mhlo.num_partitions = 2 : i32, mhlo.num_replicas = 1 : i32} {
      func.func public @main(%x: tensor<4x2xf32> {mhlo.sharding = "{devices=[2,1]<=[2]}"}) -> (tensor<2xf32> {mhlo.sharding = "{replicated}"}, tensor<4x2xf32> {mhlo.sharding = "{devices=[1,2]<=[2]}"}) {
        %zero = stablehlo.constant dense<0.0> : tensor<f32>
        %0 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<4x2xf32>, tensor<f32>) -> tensor<2xf32>
        %1 = stablehlo.negate %x : tensor<4x2xf32>
        return %0, %1 : tensor<2xf32>, tensor<4x2xf32>
      }
    }`;
    const sum = await executor.compile(
      program(text, {
        inputs: [whole],
        outputs: [row(2), whole],
        partitions: 2,
        inputShardings: [{ axis: 0 }],
        outputShardings: ["replicated", { axis: 1 }],
      }),
    );
    const data = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const array = executor.upload(data, whole, { axis: 0 });
    for (let i = 0; i < 10; i++) {
      const [total, negated] = await sum.run([array]);
      expect(await total!.read()).toEqual(Float32Array.of(16, 20));
      expect(await negated!.read()).toEqual(data.map((x) => -x));
    }
  });

  it("loads what it compiled before", async () => {
    const other = await openPjrt({ plugin, platform: "cpu", devices: 2, compileCache: join(folder, "cache") });
    expect(readdirSync(join(folder, "cache")).length).toBeGreaterThan(0);
    const step = await other.compile(update);
    const arrays = [Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 1, 1, 1)].map((data) => other.upload(data, row(4)));
    expect(await (await step.run(arrays))[0]!.read()).toEqual(Float32Array.of(0, 1, 2, 3));
    await other.dispose();
  });

  // As long as it does, two processes on one machine cannot be tried as two hosts without accelerators.
  it("is of one host: the CPU's client refuses to be told of others", async () => {
    const store = { get: () => undefined, tryGet: () => undefined, put: () => undefined };
    const error = await failure(openPjrt({ plugin, platform: "cpu", host: { index: 0, count: 2, store } }));
    expect(error.code).toBe("PJRT_OPEN_FAILED");
    expect(error.message).toMatch(/Unexpected option name passed to PJRT_Client_Create: (num_nodes|node_id)/);
  });

  // Catches a number of threads that does not reach the client: it has no option for it, and takes all processors.
  it.skipIf(platform() !== "linux")("computes with as many threads as it is told", async () => {
    const computing = (): number =>
      readdirSync("/proc/self/task").filter((task) => {
        const name = readFileSync(join("/proc/self/task", task, "comm"), "utf8");
        return name.includes("XLAEigen");
      }).length;
    const before = computing();
    for (const threads of [1, 3]) {
      const other = await openPjrt({ plugin, platform: "cpu", threads });
      expect(computing() - before).toBe(threads);
      const step = await other.compile(update);
      const ones = Float32Array.of(1, 1, 1, 1);
      const [next] = await step.run([other.upload(ones, row(4)), other.upload(ones, row(4))]);
      expect(await next!.read()).toEqual(new Float32Array(4));
      await other.dispose();
    }
  });

  it("passes its self-test", async () => {
    const library = { kind: "pjrt", platform: "cpu", path: plugin, foundBy: "the test" } as const;
    const verdict = await selfTestXla(library, { cacheFolder: join(folder, "verdicts") });
    expect(verdict).toMatchObject({ passed: true, detail: expect.stringContaining("f32, bf16") });
  });

  // Catches threads of the plugin that outlive what they work for, and crash the process while it ends.
  it.each(["exit", "worker"])(
    "lets a process end with arrays and runs alive (%s)",
    (how) => {
      const { execArgv } = siblingModule("open-pjrt", import.meta.url);
      const file = fileURLToPath(new URL("../../../../tests/support/abandoned-plugin.ts", import.meta.url));
      const out = execFileSync(process.execPath, [...execArgv, file, how, plugin], { encoding: "utf8" });
      expect(out).toBe("ended\n");
    },
    60_000,
  );
});

it.runIf(!isHere)("needs a CPU plugin, which FIRTH_TEST_PJRT names", () => {
  expect(isHere).toBe(false);
});
