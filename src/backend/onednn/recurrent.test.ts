import { env } from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import type { Operand, RecurrentCell, RecurrentDirection, RecurrentOperands, View } from "./program.ts";
import { dense, openCases, TestMemory, type TestTensor, testTensor, worstError, zeros } from "./testing.ts";

const cases = await openCases(env["FIRTH_TEST_ONEDNN3"]);
afterAll(() => Promise.all(cases.map(({ engine }) => engine?.dispose())));

const [time, rows, inputs, cells] = [3, 2, 5, 4];

/** Plain numbers of a layer, and what it gives. */
interface Layer {
  source: number[];
  hidden: number[];
  cell: number[];
  weightsInput: number[];
  weightsHidden: number[];
  bias: number[];
}

const sigma = (x: number): number => 1 / (1 + Math.exp(-x));

/** The layer in f64; weights `[I, G, H]`. */
function forward(
  kind: RecurrentCell,
  direction: RecurrentDirection,
  layer: Layer,
): { target: number[]; hidden: number[]; cell: number[] } {
  const gates = kind === "lstm" ? 4 : 3;
  const target = new Array<number>(time * rows * cells);
  const hidden = [...layer.hidden];
  const cell = [...layer.cell];
  for (let n = 0; n < time; n++) {
    const t = direction === "rightToLeft" ? time - 1 - n : n;
    for (let b = 0; b < rows; b++) {
      const before = hidden.slice(b * cells, b * cells + cells);
      const fromInput = (gate: number, h: number): number => {
        let sum = layer.bias[gate * cells + h]!;
        for (let i = 0; i < inputs; i++) {
          sum += layer.source[(t * rows + b) * inputs + i]! * layer.weightsInput[(i * gates + gate) * cells + h]!;
        }
        return sum;
      };
      const fromHidden = (gate: number, h: number, of: readonly number[]): number =>
        of.reduce((sum, value, i) => sum + value * layer.weightsHidden[(i * gates + gate) * cells + h]!, 0);
      const both = (gate: number, h: number): number => fromInput(gate, h) + fromHidden(gate, h, before);
      const reset = before.map((value, h) => value * sigma(both(1, h)));
      for (let h = 0; h < cells; h++) {
        const at = b * cells + h;
        if (kind === "lstm") {
          cell[at] = sigma(both(1, h)) * cell[at]! + sigma(both(0, h)) * Math.tanh(both(2, h));
          hidden[at] = sigma(both(3, h)) * Math.tanh(cell[at]!);
        } else {
          const inner =
            kind === "gru"
              ? fromHidden(2, h, reset)
              : sigma(both(1, h)) * (fromHidden(2, h, before) + layer.bias[3 * cells + h]!);
          const update = sigma(both(0, h));
          hidden[at] = update * before[h]! + (1 - update) * Math.tanh(fromInput(2, h) + inner);
        }
        target[(t * rows + b) * cells + h] = hidden[at]!;
      }
    }
  }
  return { target, hidden, cell };
}

/** Rows of weights by gate and output: what the backward pass reads. */
function byOutput({ dtype, dims }: View): View {
  const [, , i, g, o] = dims as [number, number, number, number, number];
  return { dtype, dims, strides: [i * g * o, i * g * o, 1, o * i, i] };
}

describe.each(cases)("recurrent layers of $name", ({ engine, missing }) => {
  if (engine === undefined) {
    it.skip(`skipped: ${missing}`, () => undefined);
    return;
  }
  const dtypes = (["f32", "bf16"] as const).filter((dtype) => dtype === "f32" || engine.info.bf16);
  const kinds = ["lstm", "gru", "gruLinearBeforeReset"] as const;
  const all = dtypes.flatMap((dtype) =>
    kinds.flatMap((kind) => (["leftToRight", "rightToLeft"] as const).map((direction) => ({ dtype, kind, direction }))),
  );

  // Catches gates in another order, time run the wrong way, gradients of weights exchanged or not accumulated.
  it.each(all)("$kind, $direction, in $dtype: forward and all gradients", async ({ dtype, kind, direction }) => {
    const gates = kind === "lstm" ? 4 : 3;
    const biases = kind === "gruLinearBeforeReset" ? 4 : gates;
    const memory = new TestMemory();
    const put = (tensor: TestTensor): Operand => memory.input(tensor);
    const tensors = {
      source: testTensor(dense(dtype, time, rows, inputs), 1),
      initialHidden: testTensor(dense(dtype, 1, 1, rows, cells), 2),
      initialCell: testTensor(dense("f32", 1, 1, rows, cells), 3),
      weightsInput: testTensor(dense(dtype, 1, 1, inputs, gates, cells), 4),
      weightsHidden: testTensor(dense(dtype, 1, 1, cells, gates, cells), 5),
      bias: testTensor(dense("f32", 1, 1, biases, cells), 6),
    };
    const operands: RecurrentOperands = {
      source: put(tensors.source),
      initialHidden: put(tensors.initialHidden),
      ...(kind === "lstm" ? { initialCell: put(tensors.initialCell) } : {}),
      weightsInput: put(tensors.weightsInput),
      weightsHidden: put(tensors.weightsHidden),
      bias: put(tensors.bias),
      target: put(zeros(dense(dtype, time, rows, cells))),
      finalHidden: put(zeros(dense(dtype, 1, 1, rows, cells))),
      ...(kind === "lstm" ? { finalCell: put(zeros(dense("f32", 1, 1, rows, cells))) } : {}),
    };
    const upper = {
      target: testTensor(dense("f32", time, rows, cells), 7),
      hidden: testTensor(dense("f32", 1, 1, rows, cells), 8),
      cell: testTensor(dense("f32", 1, 1, rows, cells), 9),
    };
    const gradients: RecurrentOperands = {
      source: put(zeros(dense("f32", time, rows, inputs))),
      initialHidden: put(zeros(dense("f32", 1, 1, rows, cells))),
      ...(kind === "lstm" ? { initialCell: put(zeros(dense("f32", 1, 1, rows, cells))) } : {}),
      weightsInput: put(zeros(dense("f32", 1, 1, inputs, gates, cells))),
      weightsHidden: put(zeros(dense("f32", 1, 1, cells, gates, cells))),
      bias: put(zeros(dense("f32", 1, 1, biases, cells))),
      target: put(upper.target),
      finalHidden: put(upper.hidden),
      ...(kind === "lstm" ? { finalCell: put(upper.cell) } : {}),
    };
    const backward: RecurrentOperands = {
      ...operands,
      weightsInput: put({ ...tensors.weightsInput, view: byOutput(tensors.weightsInput.view) }),
      weightsHidden: put({ ...tensors.weightsHidden, view: byOutput(tensors.weightsHidden.view) }),
    };
    const facts = { cell: kind, direction, label: kind, acceptReference: true };
    await memory.runSteps(engine, [
      { kind: "recurrent", ...facts, workspace: "w", operands },
      { kind: "recurrentBackward", ...facts, workspace: "w", operands: backward, gradients },
    ]);

    const layer: Layer = {
      source: [...tensors.source.values],
      hidden: [...tensors.initialHidden.values],
      cell: [...tensors.initialCell.values],
      weightsInput: [...tensors.weightsInput.values],
      weightsHidden: [...tensors.weightsHidden.values],
      bias: [...tensors.bias.values],
    };
    const result = forward(kind, direction, layer);
    const limit = dtype === "f32" ? 1e-5 : 2e-2;
    expect(worstError(memory.read(operands.target), result.target, 1)).toBeLessThan(limit);
    expect(worstError(memory.read(operands.finalHidden!), result.hidden, 1)).toBeLessThan(limit);
    if (operands.finalCell !== undefined) {
      expect(worstError(memory.read(operands.finalCell), result.cell, 1)).toBeLessThan(limit);
    }

    const cost = (): number => {
      const { target, hidden, cell } = forward(kind, direction, layer);
      const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((s, v, i) => s + v * b[i]!, 0);
      const ofCell = kind === "lstm" ? dot(cell, upper.cell.values) : 0;
      return dot(target, upper.target.values) + dot(hidden, upper.hidden.values) + ofCell;
    };
    const slope = (values: number[]): number[] =>
      values.map((value, i) => {
        const h = 1e-5;
        values[i] = value + h;
        const above = cost();
        values[i] = value - h;
        const below = cost();
        values[i] = value;
        return (above - below) / (2 * h);
      });
    const slopeLimit = dtype === "f32" ? 1e-4 : 5e-2;
    const compare = (operand: Operand, values: number[]): void => {
      expect(worstError(memory.read(operand), slope(values), 1)).toBeLessThan(slopeLimit);
    };
    compare(gradients.source, layer.source);
    compare(gradients.initialHidden!, layer.hidden);
    if (gradients.initialCell !== undefined) compare(gradients.initialCell, layer.cell);
    compare(gradients.weightsInput, layer.weightsInput);
    compare(gradients.weightsHidden, layer.weightsHidden);
    compare(gradients.bias, layer.bias);
  });
});
