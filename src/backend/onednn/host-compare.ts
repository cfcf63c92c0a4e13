/** @file Comparisons and choices over strided operands: masks of attention are made of repeated rows and columns. */
import type { HostData } from "../../ir/dtype.ts";
import type { CompareDirection } from "../../ir/graph.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { HostOperand } from "./program.ts";

/** Calls back with the first positions of every run along the last axis, in row-major order of the runs. */
function eachRow(operands: readonly HostOperand[], visit: (at: readonly number[]) => void): void {
  const [{ shape }] = operands as readonly [HostOperand];
  const last = shape.length - 1;
  const walk = (axis: number, at: readonly number[]): void => {
    if (axis >= last) {
      visit(at);
      return;
    }
    for (let i = 0; i < shape[axis]!; i++) {
      walk(
        axis + 1,
        at.map((start, k) => start + i * operands[k]!.strides[axis]!),
      );
    }
  };
  walk(
    0,
    operands.map(() => 0),
  );
}

/** One run: `out[o + i] = a[x + i·dx] ∘ b[y + i·dy]`. */
type Row = (
  out: HostData,
  o: number,
  a: HostData,
  x: number,
  dx: number,
  b: HostData,
  y: number,
  dy: number,
  n: number,
) => void;

const rows: { readonly [D in CompareDirection]: Row } = {
  eq: (out, o, a, x, dx, b, y, dy, n) => {
    for (let i = 0; i < n; i++) out[o + i] = a[x + i * dx] === b[y + i * dy] ? 1 : 0;
  },
  ne: (out, o, a, x, dx, b, y, dy, n) => {
    for (let i = 0; i < n; i++) out[o + i] = a[x + i * dx] !== b[y + i * dy] ? 1 : 0;
  },
  lt: (out, o, a, x, dx, b, y, dy, n) => {
    for (let i = 0; i < n; i++) out[o + i] = a[x + i * dx]! < b[y + i * dy]! ? 1 : 0;
  },
  le: (out, o, a, x, dx, b, y, dy, n) => {
    for (let i = 0; i < n; i++) out[o + i] = a[x + i * dx]! <= b[y + i * dy]! ? 1 : 0;
  },
  gt: (out, o, a, x, dx, b, y, dy, n) => {
    for (let i = 0; i < n; i++) out[o + i] = a[x + i * dx]! > b[y + i * dy]! ? 1 : 0;
  },
  ge: (out, o, a, x, dx, b, y, dy, n) => {
    for (let i = 0; i < n; i++) out[o + i] = a[x + i * dx]! >= b[y + i * dy]! ? 1 : 0;
  },
};

const lastOf = (list: readonly number[]): number => list.at(-1) ?? 1;

/** (a, b) of one shape → bool, dense; neither is bf16. */
export const compare: HostKernel = ({ params, inputs, outputs }) => {
  const row = rows[params.direction as CompareDirection];
  const [dx, dy] = inputs.map(({ strides }) => lastOf(strides)) as [number, number];
  const count = lastOf(inputs[0]!.shape);
  const operands = [...outputs, ...inputs];
  return ([a, b], [out]) => {
    eachRow(operands, ([o, x, y]) => row(out!, o!, a!, x!, dx, b!, y!, dy, count));
  };
};

/** (predicate, a, b) of one shape → a where the predicate is 1, else b; dense, bits as they are. */
export const select: HostKernel = ({ inputs, outputs }) => {
  const [dp, dx, dy] = inputs.map(({ strides }) => lastOf(strides)) as [number, number, number];
  const count = lastOf(inputs[0]!.shape);
  const operands = [...outputs, ...inputs];
  return ([p, a, b], [out]) => {
    eachRow(operands, ([o, q, x, y]) => {
      for (let i = 0; i < count; i++) out![o! + i] = p![q! + i * dp] === 1 ? a![x! + i * dx]! : b![y! + i * dy]!;
    });
  };
};
