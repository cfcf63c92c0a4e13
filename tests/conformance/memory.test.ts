/** @file Buffers, parameter stores, sweeps and runs that overlap. */
import { describe, expect, it } from "vitest";
import type { Backend, ParameterStore, SweepProgram } from "../../src/backend/backend.ts";
import { Random } from "../../src/base/random.ts";
import type { DType, HostData } from "../../src/ir/dtype.ts";
import { allocateHostData } from "../../src/ir/dtype.ts";
import { type Shape, sizeOf, tensorType } from "../../src/ir/shape.ts";
import { add, div, mul, neg, sqrt, sub } from "../../src/tensor/elementwise.ts";
import { matmul } from "../../src/tensor/linear-algebra.ts";
import { square, sum } from "../../src/tensor/reduction.ts";
import { trace } from "../../src/tensor/trace.ts";
import { forEachEngineAndInterpretedXla } from "./engine.ts";
import { difference } from "./tolerance.ts";

const scalar = tensorType("f32", []);
/** Sizes around every boundary a vectorised or chunked loop may have. */
const oddShapes: readonly Shape[] = [
  [],
  [1],
  [3],
  [4],
  [15],
  [16],
  [17],
  [5, 7],
  [63, 65],
  [1, 1],
  [0, 3],
  [31_337],
  [70_001],
];

/** One AdamW update with the gradient's norm as a sum (Loshchilov & Hutter 2019, arXiv:1711.05101). */
const adamW: SweepProgram = {
  graph: trace(
    "adamW",
    { w: scalar, g: scalar, m: scalar, v: scalar, rate: scalar, decay: scalar, c1: scalar, c2: scalar },
    ({ w, g, m, v, rate, decay, c1, c2 }) => {
      const m1 = add(mul(m, 0.9), mul(g, 0.1));
      const v1 = add(mul(v, 0.999), mul(square(g), 0.001));
      const step = div(div(m1, c1), add(sqrt(div(v1, c2)), 1e-6));
      return { w: sub(w, mul(rate, add(step, mul(w, decay)))), m: m1, v: v1, squares: square(g) };
    },
  ),
  inputs: [
    ...["value", "grad", "m", "v"].map((section) => ({ section })),
    ...["rate", "decay", "c1", "c2"].map((name) => ({ scalar: name })),
  ],
  outputs: [...["value", "m", "v"].map((section) => ({ section })), { sum: "squares" }],
};

type Numbers = Record<string, Float64Array[]>;

/** Fills a store with known numbers and gives them. */
function fill(store: ParameterStore): Numbers {
  return Object.fromEntries(
    store.sections.map((section) => [
      section,
      store.types.map((type, i) => {
        const random = new Random(5, section, i);
        // Second moments are never negative.
        const draw = () => (section === "v" ? random.next() : random.nextNormal());
        const data = Float32Array.from({ length: sizeOf(type.shape) }, draw);
        store.buffer(section, i).write(data);
        return Float64Array.from(data);
      }),
    ]),
  );
}

/** The same update in plain arithmetic. */
function adamWOnHost(at: Numbers, i: number, s: Record<string, number>): number {
  const [w, g, m, v] = ["value", "grad", "m", "v"].map((name) => at[name]![i]!) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  let squares = 0;
  for (let k = 0; k < w.length; k++) {
    m[k] = 0.9 * m[k]! + 0.1 * g[k]!;
    v[k] = 0.999 * v[k]! + 0.001 * g[k]! ** 2;
    const step = m[k]! / s.c1! / (Math.sqrt(v[k]! / s.c2!) + 1e-6);
    w[k] = w[k]! - s.rate! * (step + s.decay! * w[k]!);
    squares += g[k]! ** 2;
  }
  return squares;
}

async function storeDifferences(store: ParameterStore, wanted: Numbers): Promise<string[]> {
  const found: string[] = [];
  for (const section of store.sections) {
    for (const i of store.types.keys()) {
      const bad = difference("f32", await store.buffer(section, i).read(), wanted[section]![i]!);
      if (bad !== undefined) found.push(`${section} ${i}: ${bad}`);
    }
  }
  return found;
}

function numbersOf(dtype: DType, length: number): HostData {
  const random = new Random(1, dtype);
  const data = allocateHostData(dtype, length);
  for (let i = 0; i < length; i++) {
    data[i] = dtype === "bool" ? random.nextInt(2) : dtype === "f32" ? random.nextNormal() : random.nextUint32();
  }
  return data;
}

async function square3(backend: Backend) {
  const type = tensorType("f32", [3, 3]);
  const executable = await backend.compile(trace("product", { a: type, b: type }, ({ a, b }) => ({ y: matmul(a, b) })));
  return { type, executable };
}

forEachEngineAndInterpretedXla((backend, engine) => {
  it("is the engine that runs", engine.prove);

  describe("buffers", () => {
    it.each(["f32", "i32", "u32", "bool", "bf16", "f16"] as const)(
      "keep %s as written, apart from each other",
      async (dtype) => {
        for (const shape of [[], [1], [7, 9], [0]]) {
          const data = numbersOf(dtype, sizeOf(shape));
          if (dtype === "bf16" || dtype === "f16") data.fill(0x3f80);
          const [first, second] = [
            backend.allocate(tensorType(dtype, shape)),
            backend.allocate(tensorType(dtype, shape)),
          ];
          first.write(data);
          const read = await first.read();
          if (dtype !== "bf16" && dtype !== "f16") expect([...read]).toEqual([...data]);
          else if (read instanceof Uint16Array) expect([...read]).toEqual([...data]);
          expect([...(await second.read())]).toEqual(new Array(sizeOf(shape)).fill(0));
          first.dispose();
          second.dispose();
        }
      },
    );

    it("copy on write and on read", async () => {
      const buffer = backend.allocate(tensorType("f32", [2]));
      const data = Float32Array.of(1, 2);
      buffer.write(data);
      data[0] = 9;
      const read = await buffer.read();
      read[1] = 9;
      expect([...(await buffer.read())]).toEqual([1, 2]);
    });

    it("refuse arrays of another length or kind, and use after disposal", async () => {
      const buffer = backend.allocate(tensorType("f32", [2]));
      const mismatch = expect.objectContaining({ code: "BUFFER_DATA_MISMATCH" });
      expect(() => buffer.write(new Float32Array(3))).toThrow(mismatch);
      expect(() => buffer.write(new Int32Array(2))).toThrow(mismatch);
      buffer.dispose();
      buffer.dispose();
      const disposed = expect.objectContaining({ code: "BUFFER_DISPOSED" });
      expect(() => buffer.write(new Float32Array(2))).toThrow(disposed);
      await expect(buffer.read()).rejects.toThrow(disposed);
    });
  });

  describe("runs", () => {
    it("refuse buffers of another type, naming the input", async () => {
      const { type, executable } = await square3(backend);
      const [good, wide, y] = [
        backend.allocate(type),
        backend.allocate(tensorType("f32", [3, 4])),
        backend.allocate(type),
      ];
      await expect(executable.run([good, wide], [y])).rejects.toThrow(/"?b"?.*f32\[3,3\].*f32\[3,4\]/);
      await expect(executable.run([good], [y])).rejects.toThrow(/2.*1/);
      await executable.dispose();
      await expect(executable.run([good, good], [y])).rejects.toThrow(/disposed/);
    });

    it("of one executable wait for each other, of several go side by side", async () => {
      const { type, executable } = await square3(backend);
      const other = await backend.compile(trace("neg", { a: type }, ({ a }) => ({ y: neg(a) })));
      const runs = Array.from({ length: 12 }, (_, i) => {
        const [a, b, y, z] = [1, 2, 3, 4].map(() => backend.allocate(type)) as [
          ReturnType<Backend["allocate"]>,
          ReturnType<Backend["allocate"]>,
          ReturnType<Backend["allocate"]>,
          ReturnType<Backend["allocate"]>,
        ];
        a.write(new Float32Array(9).fill(i));
        b.write(new Float32Array(9).fill(2));
        return { i, y, z, done: Promise.all([executable.run([a, b], [y]), other.run([a], [z])]) };
      });
      for (const { i, y, z, done } of runs) {
        await done;
        expect([...(await y.read())]).toEqual(new Array(9).fill(6 * i));
        expect([...(await z.read())].map((x) => x + 0)).toEqual(new Array(9).fill(0 - i));
      }
      await Promise.all([executable.dispose(), other.dispose()]);
    });

    it("see what was written between them, and take one buffer for two inputs", async () => {
      const { type, executable } = await square3(backend);
      const [a, y] = [backend.allocate(type), backend.allocate(type)];
      for (const x of [1, 2, 5]) {
        a.write(new Float32Array(9).fill(x));
        await executable.run([a, a], [y]);
        expect([...(await y.read())]).toEqual(new Array(9).fill(3 * x * x));
      }
      await executable.dispose();
    });

    it("refuse an output that is also an input, or twice an output", async () => {
      const { type, executable } = await square3(backend);
      const [a, b] = [backend.allocate(type), backend.allocate(type)];
      await expect(executable.run([a, b], [a])).rejects.toMatchObject({ code: "REGION_OVERLAP" });
      await executable.dispose();
      const two = await backend.compile(trace("two", { a: type }, ({ a }) => ({ x: neg(a), y: add(a, a) })));
      await expect(two.run([a], [b, b])).rejects.toMatchObject({ code: "REGION_OVERLAP" });
      await two.dispose();
    });
  });

  describe("stores", () => {
    const sections = ["value", "grad", "m", "v"];
    const create = () =>
      backend.createStore(
        oddShapes.map((shape) => tensorType("f32", shape)),
        sections,
      );

    it("keep every parameter of every section apart (offsets of odd sizes)", async () => {
      const store = create();
      const numbers = fill(store);
      expect(await storeDifferences(store, numbers)).toEqual([]);
      store.dispose();
    });

    it("hold hundreds of small parameters", async () => {
      const shapes = Array.from({ length: 300 }, (_, i) => [1 + (i % 19), 1 + (i % 3)]);
      const store = backend.createStore(
        shapes.map((shape) => tensorType("f32", shape)),
        ["value"],
      );
      const numbers = fill(store);
      expect(await storeDifferences(store, numbers)).toEqual([]);
      store.dispose();
    });

    it("refuse unknown sections and parameters", () => {
      const store = create();
      expect(() => store.buffer("valu", 0)).toThrow(/value/);
      expect(() => store.buffer("value", 99)).toThrow(expect.objectContaining({ code: "STORE_INDEX" }));
      expect(() => backend.createStore([tensorType("i32", [2])], ["value"])).toThrow(/i32\[2\]/);
      store.dispose();
      expect(() => store.buffer("value", 0).write(new Float32Array(1))).toThrow(/disposed/);
    });

    it("give their tensors to runs and take results", async () => {
      const store = create();
      const numbers = fill(store);
      const at = oddShapes.findIndex((shape) => shape.length === 2 && shape[0] === 63);
      const type = store.types[at]!;
      const graph = trace("gradient", { w: type }, ({ w }) => ({ g: mul(w, 2), loss: sum(square(w)) }));
      const executable = await backend.compile(graph);
      const loss = backend.allocate(scalar);
      await executable.run([store.buffer("value", at)], [store.buffer("grad", at), loss]);
      numbers.grad![at] = numbers.value![at]!.map((x) => 2 * x);
      expect(await storeDifferences(store, numbers)).toEqual([]);
      const wanted = numbers.value![at]!.reduce((total, x) => total + x * x, 0);
      expect(difference("f32", await loss.read(), [wanted])).toBeUndefined();
      await executable.dispose();
      store.dispose();
    });

    it("are swept by an update rule over ranges with scalars of their own", async () => {
      const store = create();
      const numbers = fill(store);
      const sweep = await backend.compileSweep(adamW);
      const common = { c1: 0.1, c2: 0.001 };
      const ranges = [
        { first: 0, last: 5, scalars: { rate: 0.01, decay: 0.1, ...common } },
        { first: 5, last: 5, scalars: { rate: 9, decay: 9, ...common } },
        { first: 6, last: oddShapes.length, scalars: { rate: 0.002, decay: 0, ...common } },
      ];
      for (let step = 0; step < 2; step++) {
        const { squares } = await sweep.run(store, ranges);
        let wanted = 0;
        for (const { first, last, scalars } of ranges) {
          for (let i = first; i < last; i++) wanted += adamWOnHost(numbers, i, scalars);
        }
        expect(Math.abs(squares! - wanted) / wanted).toBeLessThan(1e-6);
      }
      // Parameter 5 lies in no range and must keep its numbers.
      expect(await storeDifferences(store, numbers)).toEqual([]);
      await sweep.dispose();
      store.dispose();
    });

    it("sum the same way every time", async () => {
      const store = create();
      fill(store);
      const sweep = await backend.compileSweep({
        graph: trace("norm", { g: scalar }, ({ g }) => ({ squares: square(g) })),
        inputs: [{ section: "grad" }],
        outputs: [{ sum: "squares" }],
      });
      const range = { first: 0, last: oddShapes.length, scalars: {} };
      const sums = [];
      for (let i = 0; i < 4; i++) sums.push((await sweep.run(store, [range])).squares);
      expect(new Set(sums).size).toBe(1);
      await sweep.dispose();
      store.dispose();
    });

    it("refuse a sweep without its scalars, or over parameters that do not exist", async () => {
      const store = create();
      const sweep = await backend.compileSweep(adamW);
      const scalars = { rate: 1, decay: 1, c1: 1, c2: 1 };
      await expect(sweep.run(store, [{ first: 0, last: 1, scalars: { rate: 1 } }])).rejects.toMatchObject({
        code: "SWEEP_SCALAR",
      });
      await expect(sweep.run(store, [{ first: 0, last: 99, scalars }])).rejects.toMatchObject({ code: "SWEEP_RANGE" });
      await sweep.dispose();
      await expect(sweep.run(store, [])).rejects.toMatchObject({ code: "SWEEP_DISPOSED" });
      store.dispose();
    });
  });

  it("reports a measured rate, its threads and its dtypes", async () => {
    const probe = await backend.probe();
    expect(probe.gemmGflops).toBeGreaterThan(0.01);
    expect(probe.gemmGflops).toBeLessThan(100_000);
    expect(probe.threads).toBe(backend.name === "reference" ? 1 : 2);
    expect(probe.computeDtypes).toContain("f32");
    expect(probe.description.length).toBeGreaterThan(5);
  });
});
