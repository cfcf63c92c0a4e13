import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneDnn } from "../../../tests/support/backends.ts";
import { type Shape, tensorType } from "../../ir/shape.ts";
import { exp, mul } from "../../tensor/elementwise.ts";
import { matmul } from "../../tensor/linear-algebra.ts";
import { trace } from "../../tensor/trace.ts";
import type { OneDnnBackend } from "./onednn-backend.ts";

/** (x·x)·exp(x·x) elementwise: a product that is kept while another is made of it. */
const graphOf = (size: number) =>
  trace("kept", { x: tensorType("f32", [size, size]) }, ({ x }) => {
    const product = matmul(x!, x!);
    return { y: mul(matmul(exp(mul(product, 1e-3)), x!), product) };
  });

describe.skipIf(oneDnn.missing !== undefined)(`programs of one engine (${oneDnn.title})`, () => {
  let backend: OneDnnBackend;
  beforeAll(async () => {
    backend = (await oneDnn.open()) as OneDnnBackend;
  });
  afterAll(() => backend.dispose());

  const filled = (shape: Shape) => {
    const buffer = backend.allocate(tensorType("f32", shape));
    const size = shape.reduce((product, dim) => product * dim, 1);
    buffer.write(Float32Array.from({ length: size }, (_, i) => Math.sin(i)));
    return buffer;
  };

  it("share the memory of their activations, and find it again when it has moved (would catch addresses of the smaller arena)", async () => {
    const small = await backend.compile(graphOf(24));
    const [x, y] = [filled([24, 24]), backend.allocate(tensorType("f32", [24, 24]))];
    await small.run([x], [y]);
    const first = await y.read();
    const wide = await backend.compile(graphOf(300));
    const [a, b] = [filled([300, 300]), backend.allocate(tensorType("f32", [300, 300]))];
    await wide.run([a], [b]);
    const whole = await b.read();
    for (let i = 0; i < 3; i++) {
      await small.run([x], [y]);
      expect(await y.read()).toEqual(first);
      await wide.run([a], [b]);
      expect(await b.read()).toEqual(whole);
    }
    await small.dispose();
    await wide.dispose();
  });

  it("foretell their activations: two matrices at once, not every result of the graph", () => {
    const matrix = 4 * 300 * 300;
    const { workBytes } = backend.memoryOf(graphOf(300));
    expect(workBytes).toBeGreaterThanOrEqual(matrix);
    expect(workBytes).toBeLessThan(3.1 * matrix);
  });
});
