/** @file What becomes of whole training graphs: which kernels, and above all which copies there are not. */
import { describe, expect, test } from "vitest";
import { gradients } from "../../../autodiff/grad.ts";
import type { ComputeDType } from "../../../ir/dtype.ts";
import { tensorType } from "../../../ir/shape.ts";
import { decompose } from "../../../tensor/decompose/decompose.ts";
import { add, convert, mul } from "../../../tensor/elementwise.ts";
import { attention, crossEntropy, dropoutMask, embedding, gelu, layerNorm, linear } from "../../../tensor/fused.ts";
import { reshape, split } from "../../../tensor/movement.ts";
import { dropout, KeySequence } from "../../../tensor/random.ts";
import { sum } from "../../../tensor/reduction.ts";
import { type Tensors, trace } from "../../../tensor/trace.ts";
import { checkProgram } from "../check-program.ts";
import type { Step } from "../program.ts";
import { isLoweredWhole, lowerGraph } from "./lower-graph.ts";

const [rows, width, hidden, heads, words] = [4, 16, 32, 2, 50];
const f32 = (...shape: number[]) => tensorType("f32", shape);

const weights = {
  words: f32(words, hidden),
  qkv: f32(3 * hidden, hidden),
  qkvBias: f32(3 * hidden),
  out: f32(hidden, hidden),
  outBias: f32(hidden),
  gain: f32(hidden),
  shift: f32(hidden),
  up: f32(4 * hidden, hidden),
  upBias: f32(4 * hidden),
  down: f32(hidden, 4 * hidden),
  downBias: f32(hidden),
};

/** One layer with a tied decoder, and the gradients of all weights, as models write it. */
function trainingGraph(dtype: ComputeDType) {
  const inputs = {
    ...weights,
    ids: tensorType("i32", [rows, width]),
    labels: tensorType("i32", [rows * width]),
    bias: f32(rows, 1, width, width),
    key: tensorType("u32", [2]),
  };
  const graph = trace("layer", inputs, (symbols: Tensors) => {
    const weight = (name: keyof typeof weights) => convert(symbols[name]!, dtype);
    const keys = new KeySequence(symbols.key!);
    const x = embedding(weight("words"), symbols.ids!);
    const [q, k, v] = split(linear(x, weight("qkv"), weight("qkvBias")), -1, 3).map((part) =>
      reshape(part, [rows, width, heads, hidden / heads]),
    );
    const mask = dropoutMask(keys.next(), [rows, heads, width, width], 0.1);
    const mixed = reshape(attention(q!, k!, v!, { bias: symbols.bias, dropoutMask: mask }), x.shape);
    const attended = dropout(linear(mixed, weight("out"), weight("outBias")), 0.1, keys.next());
    const normal = layerNorm(add(attended, x), weight("gain"), weight("shift"), 1e-12);
    const inner = gelu(linear(normal, weight("up"), weight("upBias")));
    const y = add(dropout(linear(inner, weight("down"), weight("downBias")), 0.1, keys.next()), normal);
    const logits = linear(reshape(y, [rows * width, hidden]), weight("words"));
    const loss = sum(crossEntropy(logits, symbols.labels!));
    const names = Object.keys(weights);
    const slopes = gradients(
      mul(loss, 0.5),
      names.map((name) => symbols[name]!),
    );
    return { loss, ...Object.fromEntries(names.map((name, i) => [name, slopes[i]!])) };
  });
  return lowerGraph(decompose(graph, (node) => isLoweredWhole(node.op)));
}

const ofKind = <K extends Step["kind"]>(steps: readonly Step[], kind: K) =>
  steps.filter((step): step is Extract<Step, { kind: K }> => step.kind === kind);

describe.each(["f32", "bf16"] as const)("a layer in %s", (dtype) => {
  const { program, masks } = trainingGraph(dtype);
  const { steps } = program;

  test("keeps every operand inside its memory", () => {
    expect(() => checkProgram(program)).not.toThrow();
  });

  test("fills the masks outside, one for each dropout", () => {
    expect(masks).toHaveLength(3);
    expect(program.inputs.slice(-3).map(({ shape }) => shape)).toContainEqual([rows, heads, width, width]);
    expect(ofKind(steps, "host").map(({ kernel }) => kernel)).not.toContain("foldIn");
  });

  test("copies nothing but weights and masks into bf16 (would catch heads moved in memory, gradients padded and summed)", () => {
    const reorders = ofKind(steps, "reorder");
    const fromGraph = reorders.filter(({ source }) => source.place.kind === "input");
    // Others: rows of the table, the scores' gradient (the loss gives f32), the gradient of the rows (tables take f32).
    const others = reorders.filter(({ source }) => source.place.kind !== "input");
    expect(fromGraph.length > 0).toBe(dtype === "bf16");
    expect(others).toHaveLength(dtype === "bf16" ? 3 : 0);
    expect(others.filter(({ source, target }) => source.view.dtype === target.view.dtype)).toEqual([]);
    expect(ofKind(steps, "host").filter(({ kernel }) => ["copy", "zero", "primitive"].includes(kernel))).toEqual([
      // The slope of the loss, repeated for every row.
      expect.objectContaining({ kernel: "copy", inputs: [expect.objectContaining({ strides: [0] })] }),
    ]);
  });

  test("products take up bias, dropout and residual, and write weight gradients in f32 where they belong", () => {
    const products = ofKind(steps, "matmul");
    const chains = products.map(({ postOps }) =>
      postOps.map((op) => (op.kind === "binary" ? op.algorithm : op.kind)).join("+"),
    );
    expect(chains.filter((chain) => chain === "mul+add")).toHaveLength(2);
    const written = products.flatMap(({ target }) => (target.place.kind === "output" ? [target] : []));
    // Five weights and four biases; gain and shift come from the norm's own kernel.
    expect(written.map(({ place }) => place.kind === "output" && place.index).sort()).toHaveLength(9);
    for (const { view } of written) expect(view.dtype).toBe("f32");
  });

  test("the gradient of the tied table is one product with the rows of the lookup added in place", () => {
    const output = 1;
    const writers = steps.filter((step) => {
      const targets = step.kind === "host" ? step.outputs : "target" in step ? [step.target] : [];
      return targets.some(({ place }) => place.kind === "output" && place.index === output);
    });
    expect(writers.map(({ kind }) => kind)).toEqual(["matmul", "host"]);
    expect(writers[1]).toMatchObject({ kernel: "scatterAdd", params: { isFresh: false } });
  });

  test("query, key and value are read from one projection, and their gradients written side by side", () => {
    const ofHeads = ofKind(steps, "matmul").filter(({ target }) => target.view.dims.length === 4);
    const strided = ofHeads.filter(({ target }) => target.view.strides[2] === 3 * hidden);
    expect(strided).toHaveLength(3);
    const offsets = strided.map(({ target }) => (target.place.kind === "arena" ? target.place.offset : -1));
    const bytes = dtype === "bf16" ? 2 : 4;
    const sorted = offsets.toSorted((a, b) => a - b);
    expect(sorted.map((offset) => offset - sorted[0]!)).toEqual([0, hidden * bytes, 2 * hidden * bytes]);
  });
});

test("statistics, scores and log-probabilities are f32 in a bf16 graph", () => {
  const { steps } = trainingGraph("bf16").program;
  for (const step of ofKind(steps, "softmax")) expect(step.source.view.dtype).toBe("f32");
  for (const { mean, variance } of ofKind(steps, "layerNorm")) {
    expect([mean?.view.dtype, variance?.view.dtype]).toEqual(["f32", "f32"]);
  }
  const scored = ofKind(steps, "host").find(({ kernel }) => kernel === "labelLoss");
  expect(scored?.inputs[0]?.dtype).toBe("f32");
});

test("refuses f64, naming operation and line", () => {
  const graph = trace("wide", { x: tensorType("f64", [2]) }, ({ x }) => ({ y: mul(x!, x!) }));
  expect(() => lowerGraph(graph)).toThrow(/f64.*mul.*lower-graph\.test\.ts/);
});
