import { env } from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneDnn } from "../../../tests/support/backends.ts";
import { Random } from "../../base/random.ts";
import { tensorType } from "../../ir/shape.ts";
import { gelu, linear } from "../../tensor/fused.ts";
import { trace } from "../../tensor/trace.ts";
import { MemoryBuffer } from "../wasm/memory.ts";
import type { OneDnnBackend } from "./onednn-backend.ts";
import { dense, openCases, TestMemory, testTensor, transposed, worstError, zeros } from "./testing.ts";

const cases = await openCases(env["FIRTH_TEST_ONEDNN3"]);
afterAll(() => Promise.all(cases.map(({ engine }) => engine?.dispose())));

describe.each(cases)("fixed inputs of $name", ({ engine, missing }) => {
  it.for([
    ["f32", 1e-5],
    ["bf16", 2e-2],
  ] as const)(
    "two matrices of one shape stay apart, at several numbers of rows, in %s (would catch a copy taken for another's)",
    async ([dtype, tolerance], { skip }) => {
      if (engine === undefined) return skip(missing);
      if (dtype === "bf16" && !engine.info.bf16) return skip("the processor lacks AVX512-BF16");
      for (const rows of [1, 7, 30]) {
        const memory = new TestMemory();
        const source = memory.input(testTensor(dense(dtype, rows, 96), 1));
        const weights = [2, 3].map((seed) => memory.input(testTensor(transposed(dtype, 96, 80), seed)));
        const targets = () => weights.map(() => memory.input(zeros(dense("f32", rows, 80))));
        const [plain, quick] = [targets(), targets()];
        const steps = (into: typeof plain) =>
          into.map((target, i) => ({
            ...{ kind: "matmul" as const, label: `product ${i}`, source, weights: weights[i]!, target, postOps: [] },
          }));
        await memory.runSteps(engine, steps(plain));
        const fixed = { set: 1000 + rows, regions: new Map([1, 2].map((input) => [input, memory.regionOf(input)])) };
        const compiled = await engine.compile(memory.program(steps(quick)), fixed);
        await memory.run(engine, compiled);
        await engine.release(compiled);
        engine.unfix(fixed.set);
        quick.forEach((target, i) => {
          const wanted = memory.read(plain[i]!);
          expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(0.5);
          expect(worstError(memory.read(target), wanted, 1)).toBeLessThan(tolerance);
        });
      }
    },
  );
});

describe.skipIf(oneDnn.missing !== undefined)(`fixed inputs of graphs (${oneDnn.title})`, () => {
  let backend: OneDnnBackend;
  beforeAll(async () => {
    backend = (await oneDnn.open()) as OneDnnBackend;
  });
  afterAll(() => backend.dispose());

  const types = { weight: tensorType("f32", [160, 128]), bias: tensorType("f32", [160]) };
  const filled = (name: string, type: ReturnType<typeof tensorType>) => {
    const buffer = backend.allocate(type);
    const random = new Random(5, name);
    buffer.write(Float32Array.from({ length: type.shape.reduce((a, b) => a * b, 1) }, () => random.nextNormal()));
    return buffer;
  };
  const graphOf = (rows: number) =>
    trace("fixed", { x: tensorType("f32", [rows, 128]), ...types }, ({ x, weight, bias }) => ({
      y: gelu(linear(x, weight, bias)),
    }));

  it("give what inputs that may change give; a second set has its own numbers (would catch copies found by address)", async () => {
    const buffers = new Map(Object.entries(types).map(([name, type]) => [name, filled(name, type)]));
    const x = filled("x", tensorType("f32", [30, 128]));
    const run = async (isFixed: boolean): Promise<number[]> => {
      const fixed = isFixed ? backend.fix(buffers) : undefined;
      const executable = await backend.compile(graphOf(30), { fixed });
      const y = backend.allocate(tensorType("f32", [30, 160]));
      await executable.run([x, ...buffers.values()], [y]);
      await executable.dispose();
      fixed?.dispose();
      return Array.from(await y.read(), Number);
    };
    const first = await run(false);
    expect(worstError(await run(true), first, 1)).toBeLessThan(1e-5);
    buffers.get("weight")!.write(new Float32Array(160 * 128).fill(0.01));
    const second = await run(false);
    expect(worstError(second, first, 1)).toBeGreaterThan(0.1);
    expect(worstError(await run(true), second, 1)).toBeLessThan(1e-5);
    for (const buffer of [x, ...buffers.values()]) buffer.dispose();
  });

  it("refuse a buffer of another engine by name", () => {
    const foreign = { ...filled("weight", types.weight) };
    expect(foreign).not.toBeInstanceOf(MemoryBuffer);
    expect(() => backend.fix(new Map([["weight", foreign as unknown as MemoryBuffer]]))).toThrow(/"weight" belongs/);
  });
});
