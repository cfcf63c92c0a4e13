import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../base/random.ts";
import type { HostData, TensorType } from "../../ir/dtype.ts";
import { sizeOf, tensorType } from "../../ir/shape.ts";
import { decompose } from "../../tensor/decompose/decompose.ts";
import { gelu, linear, quantizedLinear } from "../../tensor/fused.ts";
import { trace } from "../../tensor/trace.ts";
import type { FixedInputs } from "../backend.ts";
import type { MemoryBuffer } from "../wasm/memory.ts";
import { createOnnxBackend } from "./onnx-backend.ts";

const types = {
  weight: tensorType("f32", [48, 40]),
  bias: tensorType("f32", [48]),
  levels: tensorType("i8", [48, 32]),
  scale: tensorType("f32", [32]),
} satisfies Record<string, TensorType>;

function draw(name: string, { dtype, shape }: TensorType): HostData {
  const random = new Random(5, name);
  const length = sizeOf(shape);
  return dtype === "i8"
    ? Int8Array.from({ length }, () => random.nextInt(255) - 127)
    : Float32Array.from({ length }, () => random.nextNormal());
}

const graphOf = (rows: number) =>
  trace("fixed", { x: tensorType("f32", [rows, 40]), ...types }, ({ x, weight, bias, levels, scale }) => ({
    y: quantizedLinear(gelu(linear(x, weight, bias)), levels, scale),
  }));

describe.each(["c-api", "onnxruntime-node"] as const)("fixed inputs through %s", (binding) => {
  const opening = createOnnxBackend({ binding, threads: 2 });
  afterAll(async () => (await opening).dispose());

  it("give the same results as inputs that may change, in graphs of several shapes (catches constants mixed up between graphs)", async () => {
    const backend = await opening;
    const buffers = new Map<string, MemoryBuffer>(
      Object.entries(types).map(([name, type]) => {
        const buffer = backend.allocate(type);
        buffer.write(draw(name, type));
        return [name, buffer];
      }),
    );
    const fixed = backend.fix(buffers);
    expect(fixed === undefined).toBe(binding !== "c-api");
    for (const rows of [1, 7, 64]) {
      const graph = decompose(graphOf(rows), (node) => backend.fuses(node));
      const x = backend.allocate(tensorType("f32", [rows, 40]));
      x.write(draw(`x${rows}`, x));
      const run = async (given?: FixedInputs): Promise<HostData> => {
        const executable = await backend.compile(graph, { fixed: given });
        const y = backend.allocate(tensorType("f32", [rows, 32]));
        await executable.run([x, ...buffers.values()], [y]);
        await executable.run([x, ...buffers.values()], [y]);
        await executable.dispose();
        return y.read();
      };
      const [plain, quick] = [await run(), await run(fixed)];
      const largest = Math.max(...plain.map(Math.abs));
      expect(largest).toBeGreaterThan(1);
      // Another order of summation may move an element by one of the 256 steps, about 1/200 of the range.
      plain.forEach((value: number, i: number) => {
        expect(Math.abs(value - quick[i]!)).toBeLessThan(0.01 * largest);
      });
    }
    fixed?.dispose();
    for (const buffer of buffers.values()) buffer.dispose();
  });
});
