/** @file Whole texts, as they were when somebody last read them: `npx vitest run -u` writes them anew. */
import { expect, it } from "vitest";
import { gradients } from "../../../autodiff/grad.ts";
import type { Graph } from "../../../ir/graph.ts";
import { optimize } from "../../../ir/pass/optimize.ts";
import { tensorType } from "../../../ir/shape.ts";
import { add, convert, mul, sub } from "../../../tensor/elementwise.ts";
import { attention, crossEntropy, embedding, layerNorm, linear, lstmCell } from "../../../tensor/fused.ts";
import { dropout } from "../../../tensor/random.ts";
import { sum } from "../../../tensor/reduction.ts";
import { scan } from "../../../tensor/scan.ts";
import { trace } from "../../../tensor/trace.ts";
import { lowerToStableHlo } from "./lower-to-stablehlo.ts";
import type { LowerOptions } from "./module.ts";

const f32 = (...shape: number[]) => tensorType("f32", shape);
const bf16 = (...shape: number[]) => tensorType("bf16", shape);
const i32 = (...shape: number[]) => tensorType("i32", shape);

/** One step of a classifier in bf16 with f32 weights, by plain gradient descent. */
const step = trace(
  "step",
  { table: f32(11, 4), gain: f32(4), weight: f32(3, 4), ids: i32(8), labels: i32(8), rate: f32() },
  ({ table, gain, weight, ids, labels, rate }) => {
    const half = convert(gain, "bf16");
    const hidden = layerNorm(embedding(convert(table, "bf16"), ids), half, half, 1e-5);
    const loss = sum(crossEntropy(linear(hidden, convert(weight, "bf16")), labels));
    const [dTable, dWeight] = gradients(loss, [table, weight]);
    return { loss, table: sub(table, mul(dTable!, rate)), weight: sub(weight, mul(dWeight!, rate)) };
  },
);

const recurrent = trace("lstm", { gates: f32(3, 2, 8), start: f32(2, 2), weight: f32(8, 2) }, (x) => {
  const { carries, outputs } = scan(
    ([hidden, cell], [entry]) => {
      const next = lstmCell(add(entry!, linear(hidden!, x.weight!)), cell!);
      return { carries: [next.hidden, next.cell], outputs: [next.hidden] };
    },
    [x.start!, x.start!],
    [x.gates!],
  );
  return { last: carries[0]!, all: outputs[0]! };
});

const heads = bf16(2, 4, 2, 8);
const fused = trace("attention", { q: heads, k: heads, v: heads, bias: f32(2, 1, 4, 4) }, ({ q, k, v, bias }) => {
  const y = attention(q, k, v, { bias });
  const [dq] = gradients(sum(convert(y, "f32")), [q]);
  return { y, dq: dq! };
});

const drop = trace("dropout", { x: f32(2, 3), key: tensorType("u32", [2]) }, ({ x, key }) => ({
  y: dropout(x, 0.25, key),
}));

const shared = { partitions: 2, inputs: new Map(["ids", "labels"].map((name) => [name, { axis: 0 }])) };
const kernels = ["", "Backward"].map((way) => `__cudnn$fmhaScaleBiasSoftmax${way}`);

it.each<[string, Graph, LowerOptions]>([
  [
    "step",
    step,
    {
      donations: new Map([
        ["table", "table"],
        ["weight", "weight"],
      ]),
    },
  ],
  ["step-of-two-devices", step, { partitioning: shared }],
  ["step-of-two-devices-shardy", step, { partitioning: shared, partitioner: "shardy" }],
  ["lstm", recurrent, {}],
  ["fused-attention", fused, { customCalls: new Set(kernels) }],
  ["dropout", drop, {}],
])("%s", async (name, graph, options) => {
  const { text } = lowerToStableHlo(optimize(graph), { ...options, locations: false });
  await expect(text).toMatchFileSnapshot(`../../../../tests/fixtures/stablehlo/${name}.mlir`);
});
