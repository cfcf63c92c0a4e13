import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneDnn } from "../../../tests/support/backends.ts";
import { gradients } from "../../autodiff/grad.ts";
import { Random } from "../../base/random.ts";
import { tensorType } from "../../ir/shape.ts";
import { convert, mul } from "../../tensor/elementwise.ts";
import { layerNorm } from "../../tensor/fused.ts";
import { sum } from "../../tensor/reduction.ts";
import { trace } from "../../tensor/trace.ts";
import type { OneDnnBackend } from "./onednn-backend.ts";
import { worstError } from "./testing.ts";

const [rows, size] = [6, 32];
const types = {
  x: tensorType("f32", [rows, size]),
  weight: tensorType("f32", [rows, size]),
  gain: tensorType("f32", [size]),
  shift: tensorType("f32", [size]),
};

describe.skipIf(oneDnn.missing !== undefined)(`layer normalisation of graphs (${oneDnn.title})`, () => {
  let backend: OneDnnBackend;
  beforeAll(async () => {
    backend = (await oneDnn.open()) as OneDnnBackend;
  });
  afterAll(() => backend.dispose());

  const run = async (dtype: "f32" | "bf16"): Promise<number[][]> => {
    const graph = trace("normal", types, ({ x, weight, gain, shift }) => {
      const narrow = [x, gain, shift].map((tensor) => convert(tensor!, dtype));
      const normal = layerNorm(narrow[0]!, narrow[1]!, narrow[2]!, 1e-6);
      const value = sum(mul(convert(normal, "f32"), weight!));
      const [gradient] = gradients(value, [x!]);
      return { value, gradient: gradient! };
    });
    const inputs = Object.entries(types).map(([name, type]) => {
      const buffer = backend.allocate(type);
      const random = new Random(3, name);
      buffer.write(Float32Array.from({ length: type.shape.reduce((a, b) => a * b, 1) }, () => random.nextNormal()));
      return buffer;
    });
    const outputs = [backend.allocate(tensorType("f32", [])), backend.allocate(types.x)];
    const executable = await backend.compile(graph);
    await executable.run(inputs, outputs);
    await executable.dispose();
    return Promise.all(outputs.map(async (output) => Array.from(await output.read(), Number)));
  };

  it("of bf16 that is read in f32 alone, and its gradient (would catch two dtypes where the library takes one)", async ({
    skip,
  }) => {
    if (!backend.computeDtypes.includes("bf16")) return skip("the processor lacks AVX512-BF16");
    const [exact, narrow] = [await run("f32"), await run("bf16")];
    exact.forEach((wanted, i) => {
      expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(0.5);
      expect(worstError(narrow[i]!, wanted, 1)).toBeLessThan(5e-2);
    });
  });
});
