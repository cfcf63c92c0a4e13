import { afterAll, describe, expect, it } from "vitest";
import { Random } from "../../base/random.ts";
import { MemoryStore } from "./store.ts";
import { compileSweep } from "./sweep.ts";
import { KernelTeam } from "./team.ts";
import { adamWProgram, ScalarBuilder, sumOfSquaresProgram } from "./testing.ts";

const sections = ["value", "grad", "m", "v"] as const;
const inline = new KernelTeam({ threads: 0 });
const pair = new KernelTeam({ threads: 2 });
afterAll(async () => {
  await Promise.all([inline.dispose(), pair.dispose()]);
});

const f32 = (shape: number[]) => ({ dtype: "f32" as const, shape });

/** A store with random contents; v is not negative. */
function filledStore(shapes: number[][], seed = 1, memoryBytes?: number): MemoryStore {
  const store = new MemoryStore(shapes.map(f32), sections, memoryBytes === undefined ? {} : { memoryBytes });
  const random = new Random(seed);
  for (const section of sections) {
    shapes.forEach((_, i) => {
      const buffer = store.buffer(section, i);
      const data = new Float32Array(buffer.view().length);
      for (let j = 0; j < data.length; j++) data[j] = section === "v" ? random.next() : random.nextNormal();
      buffer.write(data);
    });
  }
  return store;
}

const contents = async (store: MemoryStore, section: string): Promise<number[]> => {
  const parts = await Promise.all(store.types.map((_, i) => store.buffer(section, i).read()));
  return parts.flatMap((part) => [...part]);
};

const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
type Scalars = { learningRate: number; weightDecay: number; gradScale: number; step: number };

/** AdamW in doubles, element by element. */
function adamWLoop(p: number, g0: number, m0: number, v0: number, scalars: Scalars): [number, number, number] {
  const { beta1, beta2, epsilon } = settings;
  const g = g0 * scalars.gradScale;
  const m = beta1 * m0 + (1 - beta1) * g;
  const v = beta2 * v0 + (1 - beta2) * g * g;
  const denominator = Math.sqrt(v) / Math.sqrt(1 - beta2 ** scalars.step) + epsilon;
  const kept = p * (1 - scalars.learningRate * scalars.weightDecay);
  return [kept - (scalars.learningRate / (1 - beta1 ** scalars.step)) * (m / denominator), m, v];
}

describe("AdamW as a sweep", () => {
  it("equals a loop in doubles for odd sizes and ranges with different scalars (tails skipped, scalars of the wrong range)", async () => {
    const shapes = [[1], [3], [4], [5], [15], [16], [17], [7, 13], [0], [64, 33], [2]];
    const store = filledStore(shapes);
    const before = await Promise.all(sections.map((section) => contents(store, section)));
    const ranges = [
      { first: 0, last: 4, scalars: { learningRate: 0.1, weightDecay: 0.01, gradScale: 0.5, step: 1 } },
      { first: 6, last: 11, scalars: { learningRate: 0.01, weightDecay: 0, gradScale: 2, step: 1000 } },
    ];
    await compileSweep(adamWProgram(settings), inline).run(store, ranges);
    const after = await Promise.all(["value", "m", "v"].map((section) => contents(store, section)));
    let at = 0;
    shapes.forEach((shape, i) => {
      const range = ranges.find(({ first, last }) => i >= first && i < last);
      const size = shape.reduce((a, b) => a * b, 1);
      for (let j = 0; j < size; j++, at++) {
        const [p, g, m, v] = before.map((section) => section[at]!) as [number, number, number, number];
        const expected = range === undefined ? [p, m, v] : adamWLoop(p, g, m, v, range.scalars);
        expected.forEach((x, k) => {
          expect(Math.abs(after[k]![at]! - x)).toBeLessThan(4e-7 * Math.max(1, Math.abs(x)));
        });
      }
    });
    expect(at).toBe(before[0]!.length);
  });

  it("takes PyTorch's first step: rate·sign(gradient) after decay (bias correction forgotten, decay coupled)", async () => {
    const store = new MemoryStore([f32([3])], sections);
    store.buffer("value", 0).write(Float32Array.of(1, -2, 3));
    store.buffer("grad", 0).write(Float32Array.of(0.5, -0.25, 100));
    const scalars = { learningRate: 0.1, weightDecay: 0.5, gradScale: 1, step: 1 };
    await compileSweep(adamWProgram(settings), inline).run(store, [{ first: 0, last: 1, scalars }]);
    const [a, b, c] = await contents(store, "value");
    expect(a).toBeCloseTo(1 * 0.95 - 0.1, 6);
    expect(b).toBeCloseTo(-2 * 0.95 + 0.1, 6);
    expect(c).toBeCloseTo(3 * 0.95 - 0.1, 6);
  });

  it("passes NaN and infinity on to the element they came from, and to no other", async () => {
    const store = filledStore([[21]]);
    store.buffer("grad", 0).view()[5] = Number.NaN;
    store.buffer("grad", 0).view()[20] = Number.POSITIVE_INFINITY;
    const scalars = { learningRate: 0.1, weightDecay: 0, gradScale: 1, step: 2 };
    await compileSweep(adamWProgram(settings), inline).run(store, [{ first: 0, last: 1, scalars }]);
    const broken = (await contents(store, "value")).flatMap((x, i) => (Number.isFinite(x) ? [] : [i]));
    expect(broken).toEqual([5, 20]);
  });
});

describe("sums", () => {
  it("equal a loop in doubles and ignore padding (garbage behind a parameter counted)", async () => {
    const store = filledStore([[5], [70_001], [1]]);
    const { buffer, byteOffset, byteLength } = store.region("grad", 0);
    new Float32Array(buffer, byteOffset + byteLength, 11).fill(Number.NaN);
    const { squares } = await compileSweep(sumOfSquaresProgram(), inline).run(store, [
      { first: 0, last: 3, scalars: {} },
    ]);
    const expected = (await contents(store, "grad")).reduce((sum, x) => sum + Math.fround(x * x), 0);
    expect(Math.abs(squares! / expected - 1)).toBeLessThan(1e-13);
  });

  it("add small terms to a large one (f32 accumulation loses them)", async () => {
    const store = new MemoryStore([f32([100_001])], sections);
    store.buffer("grad", 0).view().fill(1e-3).fill(1e4, 0, 1);
    const { squares } = await compileSweep(sumOfSquaresProgram(), inline).run(store, [
      { first: 0, last: 1, scalars: {} },
    ]);
    expect(squares! - 1e8).toBeCloseTo(0.1, 4);
  });

  it("of several names and of uniform terms come out under their own names", async () => {
    const b = new ScalarBuilder("two sums");
    const [grad, scalar] = [b.input("grad"), b.input("s")];
    const program = {
      graph: b.graph.finish([
        { name: "count", value: scalar },
        { name: "total", value: grad },
      ]),
      inputs: [{ section: "grad" }, { scalar: "s" }],
      outputs: [{ sum: "count" }, { sum: "total" }],
    };
    const store = new MemoryStore([f32([7]), f32([19])], ["grad"]);
    store.buffer("grad", 1).view().fill(2);
    const result = await compileSweep(program, inline).run(store, [{ first: 0, last: 2, scalars: { s: 1 } }]);
    expect(result).toEqual({ count: 26, total: 38 });
  });
});

describe("threads and memories", () => {
  const shapes = [[300_001], [5], [70_000], [129, 65]];
  const scalars = { learningRate: 0.1, weightDecay: 0.01, gradScale: 1, step: 3 };

  it("give the same bits for 0, 2 and 3 threads (sums in order of completion)", async () => {
    const three = new KernelTeam({ threads: 3 });
    const outcomes = [];
    for (const team of [inline, pair, three]) {
      const store = filledStore(shapes, 7);
      const ranges = [{ first: 0, last: 4, scalars }];
      await compileSweep(adamWProgram(settings), team).run(store, ranges);
      const { squares } = await compileSweep(sumOfSquaresProgram(), team).run(store, [
        { first: 0, last: 4, scalars: {} },
      ]);
      outcomes.push({ squares, value: await contents(store, "value"), v: await contents(store, "v") });
    }
    await three.dispose();
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).toEqual(outcomes[0]);
  });

  it("a store split over several memories trains as one memory does (offsets of the first memory used for all)", async () => {
    const whole = filledStore(shapes, 9);
    const split = filledStore(shapes, 9, 300_001 * 4 * 4 + 65_536);
    expect(whole.parts.length).toBe(1);
    expect(split.parts.length).toBe(2);
    for (const store of [whole, split]) {
      await compileSweep(adamWProgram(settings), pair).run(store, [{ first: 0, last: 4, scalars }]);
    }
    expect(await contents(split, "value")).toEqual(await contents(whole, "value"));
  });

  it("a disposed store leaves the team ready for the next one (threads ended and not started again)", async () => {
    const team = new KernelTeam({ threads: 1 });
    const sweep = compileSweep(sumOfSquaresProgram(), team);
    for (const fill of [1, 2]) {
      const store = new MemoryStore([f32([200_000])], sections, { team });
      store.buffer("grad", 0).view().fill(fill);
      const { squares } = await sweep.run(store, [{ first: 0, last: 1, scalars: {} }]);
      expect(squares).toBe(fill * fill * 200_000);
      store.dispose();
    }
    await team.dispose();
  });

  it("answers calls made at once in order (control block of one job shared with the next)", async () => {
    const store = filledStore(shapes, 11);
    const sweep = compileSweep(sumOfSquaresProgram(), pair);
    const ranges = [{ first: 0, last: 4, scalars: {} }];
    const results = await Promise.all([sweep.run(store, ranges), sweep.run(store, ranges), sweep.run(store, ranges)]);
    expect(new Set(results.map(({ squares }) => squares)).size).toBe(1);
  });
});

describe("refusals", () => {
  const code = async (run: () => unknown): Promise<string> => {
    try {
      await run();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return "none";
  };

  it("names what is wrong with ranges and scalars", async () => {
    const store = filledStore([[4], [4]]);
    const sweep = compileSweep(adamWProgram(settings), inline);
    const scalars = { learningRate: 0.1, weightDecay: 0, gradScale: 1, step: 1 };
    expect(await code(() => sweep.run(store, [{ first: 0, last: 3, scalars }]))).toBe("SWEEP_RANGE");
    expect(await code(() => sweep.run(store, [{ first: 0, last: 1, scalars: {} }]))).toBe("SWEEP_SCALAR");
    const mistyped = { ...scalars, learningrate: 1 };
    await expect(sweep.run(store, [{ first: 0, last: 1, scalars: mistyped }])).rejects.toThrow(/learningRate/);
    const twice = [
      { first: 0, last: 2, scalars },
      { first: 1, last: 2, scalars },
    ];
    expect(await code(() => sweep.run(store, twice))).toBe("SWEEP_OVERLAP");
    const other = new MemoryStore([f32([4])], ["value"]);
    expect(await code(() => sweep.run(other, [{ first: 0, last: 1, scalars }]))).toBe("STORE_SECTION");
  });

  it("refuses a transcendental of elements, naming it, but takes it of scalars", async () => {
    const b = new ScalarBuilder("exponent");
    const [grad, scalar] = [b.input("grad"), b.input("s")];
    const sums = (value: ReturnType<typeof b.input>) => ({
      graph: b.graph.finish([{ name: "total", value }]),
      inputs: [{ section: "grad" }, { scalar: "s" }],
      outputs: [{ sum: "total" }],
    });
    expect(() => compileSweep(sums(b.unary("exp", grad)), inline)).toThrow(/exp of f32 elements/);
    const store = new MemoryStore([f32([2])], ["grad"]);
    store.buffer("grad", 0).view().fill(1);
    const fine = sums(b.binary("mul", grad, b.unary("exp", scalar)));
    const { total } = await compileSweep(fine, inline).run(store, [{ first: 0, last: 1, scalars: { s: 2 } }]);
    expect(total).toBe(2 * Math.fround(Math.exp(2)));
  });

  it("refuses work after dispose", async () => {
    const team = new KernelTeam({ threads: 1 });
    const store = filledStore([[200_000]]);
    const sweep = compileSweep(sumOfSquaresProgram(), team);
    const ranges = [{ first: 0, last: 1, scalars: {} }];
    await sweep.run(store, ranges);
    await team.dispose();
    expect(await code(() => sweep.run(store, ranges))).toBe("TEAM_DISPOSED");
    await sweep.dispose();
    expect(await code(() => sweep.run(store, ranges))).toBe("SWEEP_DISPOSED");
    store.dispose();
    expect(await code(() => store.buffer("grad", 0).read())).toBe("BUFFER_DISPOSED");
  });
});
