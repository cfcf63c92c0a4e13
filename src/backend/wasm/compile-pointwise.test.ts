import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../ir/builder.ts";
import type { DType } from "../../ir/dtype.ts";
import type { CompareDirection, OpName, OpParams, Value } from "../../ir/graph.ts";
import { compilePointwise } from "./compile-pointwise.ts";
import { type MemoryBuffer, MemoryPool } from "./memory.ts";

const pool = new MemoryPool({ arenaBytes: 65_536 });
type Numbers = readonly number[];

/** A memory-backed tensor of a few elements. */
function tensor(dtype: "f32" | "i32" | "u32", values: Numbers): MemoryBuffer {
  const buffer = pool.allocate({ dtype, shape: [values.length] });
  const Typed = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[dtype];
  buffer.write(Typed.from(values));
  return buffer;
}

/** Runs a graph of the operands' elements on the caller's thread. */
function map(
  operands: readonly { readonly dtype: "f32" | "i32" | "u32"; readonly values: Numbers }[],
  build: (b: GraphBuilder, inputs: Value[]) => Value,
  scalars: Readonly<Record<string, number>> = {},
): number[] {
  const b = new GraphBuilder("case");
  const inputs = operands.map(({ dtype }, i) => b.input(`x${i}`, dtype, []));
  const result = build(b, inputs);
  const size = operands[0]!.values.length;
  const buffers = operands.map(({ dtype, values }) => tensor(dtype, values));
  const out = pool.allocate({ dtype: result.dtype, shape: [size] });
  const graph = b.finish([{ name: "out", value: result }]);
  const kernel = compilePointwise({
    graph,
    inputs: graph.inputs.map(({ name }, i) =>
      i < operands.length ? { kind: "memory", pointer: i } : { kind: "scalar", name },
    ),
    outputs: [{ kind: "memory", pointer: operands.length }],
  });
  const { memory } = out.region;
  const { run } = new WebAssembly.Instance(kernel.module, { env: { memory } }).exports as unknown as {
    run: (...args: number[]) => void;
  };
  const pointers = [...buffers, out].map(({ region }) => region.byteOffset);
  run(size, 0, ...pointers, ...kernel.uniforms(scalars));
  const values = [...out.view()];
  for (const buffer of [...buffers, out]) buffer.dispose();
  return values;
}

const emit = <P extends OpName>(b: GraphBuilder, op: P, inputs: Value[], params: OpParams[P]): Value =>
  b.emit(op, inputs, params)[0]!;
const none = {};
const floats = [0, -0, 1, -1.5, 2.25, -3, 1e30, -1e30, Number.NaN, Number.POSITIVE_INFINITY, 7];
const others = [1, 2, 0.5, -1.5, -2, 3, 1e10, 2, 1, 2, Number.NaN];
const words = [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678, 3, 9];
const masks = [0xffffffff, 5, 2, 0x80000000, 0x7fffffff, 0xffffffff, 0x9abcdef0, 1, 2];

describe("float operations equal JavaScript's rounded to f32 (wrong opcode, swapped operands)", () => {
  const f = Math.fround;
  const unary: Partial<Record<OpName, (x: number) => number>> = {
    neg: (x) => -x,
    abs: Math.abs,
    floor: Math.floor,
    sqrt: (x) => f(Math.sqrt(x)),
    sign: (x) => Math.sign(x) + 0,
    stopGradient: (x) => x,
  };
  it.each(Object.keys(unary) as ("neg" | "abs" | "floor" | "sqrt")[])("%s", (op) => {
    const got = map([{ dtype: "f32", values: floats }], (b, [x]) => emit(b, op, [x!], none));
    expect(got).toEqual(floats.map((x) => unary[op]!(f(x))));
  });
  const binary: Partial<Record<OpName, (a: number, b: number) => number>> = {
    add: (a, b) => f(a + b),
    sub: (a, b) => f(a - b),
    mul: (a, b) => f(a * b),
    div: (a, b) => f(a / b),
    max: Math.max,
    min: Math.min,
  };
  it.each(Object.keys(binary) as ("add" | "sub" | "mul" | "div")[])("%s", (op) => {
    const operands = [floats, others].map((values) => ({ dtype: "f32" as const, values }));
    const got = map(operands, (b, [x, y]) => emit(b, op, [x!, y!], none));
    expect(got).toEqual(floats.map((x, i) => binary[op]!(f(x), f(others[i]!))));
  });
});

describe("u32 operations wrap and are unsigned (signed compare, arithmetic shift)", () => {
  const cases: Partial<Record<OpName, (a: number, b: number) => number>> = {
    add: (a, b) => (a + b) >>> 0,
    sub: (a, b) => (a - b) >>> 0,
    mul: (a, b) => Math.imul(a, b) >>> 0,
    and: (a, b) => (a & b) >>> 0,
    or: (a, b) => (a | b) >>> 0,
    xor: (a, b) => (a ^ b) >>> 0,
    max: Math.max,
    min: Math.min,
  };
  it.each(Object.keys(cases) as ("add" | "mul" | "xor")[])("%s", (op) => {
    const operands = [words, masks].map((values) => ({ dtype: "u32" as const, values }));
    const got = map(operands, (b, [x, y]) => emit(b, op, [x!, y!], none));
    expect(got).toEqual(words.map((x, i) => cases[op]!(x, masks[i]!)));
  });
  it("shift by a constant and by a run-time scalar", () => {
    const got = map(
      [{ dtype: "u32", values: words }],
      (b, [x]) => {
        const three = emit(b, "constant", [], { dtype: "u32", shape: [], data: Uint32Array.of(3) });
        const amount = b.input("amount", "u32", []);
        return emit(b, "shiftLeft", [emit(b, "shiftRight", [x!, three], none), amount], none);
      },
      { amount: 5 },
    );
    expect(got).toEqual(words.map((x) => ((x >>> 3) << 5) >>> 0));
  });
  it("not", () => {
    const got = map([{ dtype: "u32", values: words }], (b, [x]) => emit(b, "not", [x!], none));
    expect(got).toEqual(words.map((x) => ~x >>> 0));
  });
});

describe("comparisons", () => {
  const compare: Record<CompareDirection, (a: number, b: number) => boolean> = {
    eq: (a, b) => a === b,
    ne: (a, b) => a !== b,
    lt: (a, b) => a < b,
    le: (a, b) => a <= b,
    gt: (a, b) => a > b,
    ge: (a, b) => a >= b,
  };
  const directions = Object.keys(compare) as CompareDirection[];
  it.each(directions)("%s of f32, i32 and u32 (NaN compares as equal, signs mixed up)", (direction) => {
    for (const [dtype, left, right] of [
      ["f32", floats.map(Math.fround), others.map(Math.fround)],
      ["u32", words, masks],
      ["i32", words.map((x) => x | 0), masks.map((x) => x | 0)],
    ] as const) {
      const operands = [left, right].map((values) => ({ dtype, values }));
      const got = map(operands, (b, [x, y]) => emit(b, "compare", [x!, y!], { direction }));
      expect(got).toEqual(left.map((x, i) => Number(compare[direction](x, right[i]!))));
    }
  });
  it("select by element, and by a uniform predicate (mask of a scalar not widened)", () => {
    const operands = [floats, others].map((values) => ({ dtype: "f32" as const, values: values.map(Math.fround) }));
    const [a, c] = [operands[0]!.values, operands[1]!.values];
    const byElement = map(operands, (b, [x, y]) =>
      emit(b, "select", [emit(b, "compare", [x!, y!], { direction: "gt" }), emit(b, "neg", [x!], none), y!], none),
    );
    expect(byElement).toEqual(a.map((x, i) => (x > c[i]! ? -x : c[i]!)));
    for (const on of [0, 1]) {
      const uniform = map(operands, (b, [x, y]) => emit(b, "select", [b.input("on", "bool", []), x!, y!], none), {
        on,
      });
      expect(uniform).toEqual(on === 1 ? a : c);
    }
  });
});

describe("conversions", () => {
  const to =
    (dtype: DType) =>
    (b: GraphBuilder, [x]: Value[]) =>
      emit(b, "convert", [x!], { dtype });
  it("truncate floats toward zero, and keep large u32 positive", () => {
    const values = [0, 1.9, -1.9, 3e9, -5, 255.5];
    expect(map([{ dtype: "f32", values }], to("i32"))).toEqual([0, 1, -1, 0x7fffffff, -5, 255]);
    expect(map([{ dtype: "f32", values }], to("u32"))).toEqual([0, 1, 0, 3e9, 0, 255]);
    expect(map([{ dtype: "u32", values: words }], to("f32"))).toEqual(words.map(Math.fround));
    const signed = words.map((x) => x | 0);
    expect(map([{ dtype: "i32", values: signed }], to("f32"))).toEqual(signed.map(Math.fround));
  });
  it("to bool is one for any non-zero, NaN included; from bool is one", () => {
    expect(map([{ dtype: "f32", values: floats }], to("bool"))).toEqual(floats.map((x) => Number(x !== 0)));
    const back = map([{ dtype: "u32", values: words }], (b, inputs) =>
      emit(b, "convert", [to("bool")(b, inputs)], { dtype: "f32" }),
    );
    expect(back).toEqual(words.map((x) => Number(x !== 0)));
  });
});

describe("uniform expressions", () => {
  it("are evaluated in doubles and rounded once (1 − 0.999⁷ in f32 is off by 1e-5)", () => {
    const [got] = map(
      [{ dtype: "f32", values: [1] }],
      (b, [x]) => {
        const constant = (value: number) =>
          emit(b, "constant", [], { dtype: "f32", shape: [], data: Float64Array.of(value) });
        const power = emit(b, "pow", [constant(0.999), b.input("step", "f32", [])], none);
        return emit(b, "mul", [x!, emit(b, "sub", [constant(1), power], none)], none);
      },
      { step: 7 },
    );
    expect(got).toBe(Math.fround(1 - 0.999 ** 7));
  });
  it("of integers wrap as elements do", () => {
    const [got] = map(
      [{ dtype: "u32", values: [0] }],
      (b, [x]) => {
        const s = b.input("s", "u32", []);
        return emit(b, "add", [x!, emit(b, "mul", [emit(b, "add", [s, s], none), s], none)], none);
      },
      { s: 0xfffffff1 },
    );
    expect(got).toBe(Number((2n * 0xfffffff1n * 0xfffffff1n) & 0xffffffffn));
  });
});

it("values that are no scalars, f64 elements, and shifts by elements are refused by name", () => {
  const vector = new GraphBuilder("vector");
  const x = vector.input("x", "f32", [2]);
  const program = (graph: ReturnType<GraphBuilder["finish"]>) => ({
    graph,
    inputs: graph.inputs.map((_, pointer) => ({ kind: "memory" as const, pointer })),
    outputs: [{ kind: "memory" as const, pointer: 2 }],
  });
  expect(() => compilePointwise(program(vector.finish([{ name: "y", value: x }])))).toThrow(/f32\[2\]/);
  const double = new GraphBuilder("double");
  const y = emit(double, "convert", [double.input("x", "f32", [])], { dtype: "f64" });
  expect(() => compilePointwise(program(double.finish([{ name: "y", value: y }])))).toThrow(/in f64/);
  const shift = new GraphBuilder("shift");
  const z = emit(shift, "shiftLeft", [shift.input("a", "u32", []), shift.input("b", "u32", [])], none);
  expect(() => compilePointwise(program(shift.finish([{ name: "y", value: z }])))).toThrow(/shiftLeft by an amount/);
});
