import { expect, test } from "vitest";
import { add, mul } from "../tensor/elementwise.ts";
import { trace } from "../tensor/trace.ts";
import { inPlaceSums } from "./in-place-sum.ts";
import { tensorType } from "./shape.ts";

test("only an input that is read once, as a summand, may lie in the output's memory (bug: an input that is read again after it was overwritten)", () => {
  const type = tensorType("f32", [4]);
  const graph = trace("sums", { a: type, b: type, c: type, d: type, x: type }, ({ a, b, c, d, x }) => ({
    nested: add(mul(x, 2), add(a, x)),
    twice: add(b, mul(b, x)),
    product: mul(add(c, x), 2),
    input: d,
  }));
  expect([...inPlaceSums(graph)]).toEqual([[0, 0]]);
});
