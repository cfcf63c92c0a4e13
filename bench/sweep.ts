/**
 * @file Times sweeps over parameters and dropout masks: `npx tsx bench/sweep.ts [millions of parameters] [--json]`.
 *
 * For every figure: median and best wall time, and processor time of all threads, in ns an element. With two
 * idle processors the processor time of two threads is about twice the wall time.
 */
import { MemoryPool } from "../src/backend/wasm/memory.ts";
import { MaskWriter } from "../src/backend/wasm/random-mask.ts";
import { MemoryStore } from "../src/backend/wasm/store.ts";
import { compileSweep } from "../src/backend/wasm/sweep.ts";
import { KernelTeam } from "../src/backend/wasm/team.ts";
import { adamWProgram, sumOfSquaresProgram } from "../src/backend/wasm/testing.ts";

interface Figure {
  readonly name: string;
  readonly threads: number;
  readonly medianNs: number;
  readonly bestNs: number;
  readonly processorNs: number;
}

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]!;

async function time(name: string, threads: number, elements: number, run: () => Promise<unknown>): Promise<Figure> {
  const wall: number[] = [];
  const processor: number[] = [];
  // The first rounds run unoptimised code and touch fresh pages.
  for (let round = -3; round < 9; round++) {
    const used = process.cpuUsage();
    const begin = performance.now();
    await run();
    if (round < 0) continue;
    wall.push(((performance.now() - begin) * 1e6) / elements);
    const { user, system } = process.cpuUsage(used);
    processor.push(((user + system) * 1e3) / elements);
  }
  return { name, threads, medianNs: median(wall), bestNs: Math.min(...wall), processorNs: median(processor) };
}

const millions = Number(process.argv[2] ?? 100) || 100;
// Mostly matrices, some vectors: the mix of a transformer.
const types = Array.from({ length: Math.round(millions) * 2 }, (_, i) => ({
  dtype: "f32" as const,
  shape: i % 2 === 0 ? [1302, 768] : [96],
}));
const parameters = types.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
const store = new MemoryStore(types, ["value", "grad", "m", "v"]);
for (const section of store.sections) {
  types.forEach((_, i) => {
    store.buffer(section, i).view().fill(0.01);
  });
}
const pool = new MemoryPool();
const masks = (["f32", "bool"] as const).map((dtype) => pool.allocate({ dtype, shape: [12, 1024, 1024] }));
const scalars = { learningRate: 1e-4, weightDecay: 0.01, gradScale: 1, step: 3 };
const everything = { first: 0, last: types.length };
const figures: Figure[] = [];
for (const threads of [0, 1, 2]) {
  const team = new KernelTeam({ threads });
  const adamW = compileSweep(adamWProgram({ beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }), team);
  const squares = compileSweep(sumOfSquaresProgram(), team);
  const writer = new MaskWriter(team);
  figures.push(
    await time("adamW", threads, parameters, () => adamW.run(store, [{ ...everything, scalars }])),
    await time("sumOfSquares", threads, parameters, () => squares.run(store, [{ ...everything, scalars: {} }])),
  );
  for (const target of masks) {
    const fill = () => writer.fill([{ target, key: [1, 7], rate: 0.1 }]);
    figures.push(await time(`dropoutMask.${target.dtype}`, threads, 12 * 1024 * 1024, fill));
  }
  await team.dispose();
}
if (process.argv.includes("--json")) console.log(JSON.stringify({ parameters, figures }));
else {
  console.log(`${parameters} parameters; ns an element (threads 0: on the caller's thread)`);
  console.log("figure              threads   median     best   processor");
  for (const { name, threads, medianNs, bestNs, processorNs } of figures) {
    const numbers = [medianNs, bestNs, processorNs].map((x) => x.toFixed(3).padStart(9)).join("");
    console.log(`${name.padEnd(20)}${String(threads).padStart(7)}${numbers}`);
  }
}
