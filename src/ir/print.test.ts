import { expect, test } from "vitest";
import { add, constant, mul } from "../tensor/elementwise.ts";
import { layerNorm, linear } from "../tensor/fused.ts";
import { transpose } from "../tensor/movement.ts";
import { scan } from "../tensor/scan.ts";
import { trace } from "../tensor/trace.ts";
import { printGraph } from "./print.ts";
import { tensorType } from "./shape.ts";

const f32 = (...shape: number[]) => tensorType("f32", shape);

test("a graph prints like this, whatever was traced before it (would catch numbers that leak from the process)", () => {
  const draw = () =>
    trace("layer", { x: f32(2, 3), w: f32(4, 3), g: f32(4), b: f32(4) }, ({ x, w, g, b }) => {
      const y = layerNorm(linear(x, w, b), g, b, 1e-12);
      return { y: transpose(mul(y, 0.5)), same: x };
    });
  const expected = `graph layer(x %0: f32[2,3], w %1: f32[4,3], g %2: f32[4], b %3: f32[4]) {
  %4: f32[2,4] = linear(%0, %1, %3) bias=true
  %5: f32[2,4], %6: f32[2], %7: f32[2] = layerNorm(%4, %2, %3) epsilon=1e-12
  %8: f32[] = constant() data={0.5}
  %9: f32[2,4] = broadcast(%8) dims=[]
  %10: f32[2,4] = mul(%5, %9)
  %11: f32[4,2] = transpose(%10) permutation=[1,0]
  return y=%11, same=%0
}`;
  expect(printGraph(draw())).toBe(expected);
  expect(printGraph(draw())).toBe(expected);
});

test("loops print their bodies indented, with what they capture (would catch a body that is left out)", () => {
  const graph = trace("loop", { h: f32(2), w: f32(2), xs: f32(5, 2) }, ({ h, w, xs }) => {
    const step = scan(([s], [x]) => ({ carries: [add(mul(s!, w), x!)], outputs: [x!] }), [h], [xs], { reverse: true });
    return { last: step.carries[0]!, table: constant([1, 2, 3, 4, 5]) };
  });
  expect(printGraph(graph)).toBe(`graph loop(h %0: f32[2], w %1: f32[2], xs %2: f32[5,2]) {
  %3: f32[2], %4: f32[5,2] = scan(%1, %0, %2) numConsts=1 numCarries=1 length=5 reverse=true graph scan(captured.0 %0: f32[2], 0 %1: f32[2], 1 %2: f32[2]) {
    %3: f32[2] = mul(%1, %0)
    %4: f32[2] = add(%3, %2)
    return 0=%4, 1=%2
  }
  %5: f32[5] = constant() data={1, 2, 3, 4, …}
  return last=%3, table=%5
}`);
});
