/** Times sweeps over parameters: `npx tsx bench/sweep.ts [parameters in millions] [--json]`. */

import { MemoryPool } from "../src/backend/wasm/memory.ts";
import { MaskWriter } from "../src/backend/wasm/random-mask.ts";
import { MemoryStore } from "../src/backend/wasm/store.ts";
import { compileSweep } from "../src/backend/wasm/sweep.ts";
import { KernelTeam } from "../src/backend/wasm/team.ts";
import { adamWProgram, sumOfSquaresProgram } from "../src/backend/wasm/testing.ts";

const millions = Number(process.argv[2] ?? 100) || 100;
const sections = ["value", "grad", "m", "v"];
// Mostly matrices, some vectors: the mix of a transformer.
const types = Array.from({ length: Math.round(millions) * 2 }, (_, i) => ({
  dtype: "f32" as const,
  shape: i % 2 === 0 ? [1302, 768] : [96],
}));
const parameters = types.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
const store = new MemoryStore(types, sections);
for (const section of sections) {
  types.forEach((_, i) => {
    store
      .buffer(section, i)
      .view()
      .fill(section === "v" ? 1e-4 : 0.01);
  });
}
const median = (times: number[]): number => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
const maskElements = 12_582_912;
const pool = new MemoryPool();
const masks = (["f32", "bool"] as const).map((dtype) => pool.allocate({ dtype, shape: [maskElements] }));
const results: Record<string, number> = { parameters };
for (const threads of [0, 1, 2]) {
  const team = new KernelTeam({ threads });
  for (const [name, program, scalars] of [
    [
      "adamW",
      adamWProgram({ beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }),
      { learningRate: 1e-4, weightDecay: 0.01, gradScale: 1, step: 3 },
    ],
    ["sumOfSquares", sumOfSquaresProgram(), {}],
  ] as const) {
    const sweep = compileSweep(program, team);
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      const begin = performance.now();
      await sweep.run(store, [{ first: 0, last: types.length, scalars }]);
      times.push(performance.now() - begin);
    }
    results[`${name}NsPerParameter.threads${threads}`] = (median(times.slice(2)) * 1e6) / parameters;
  }
  const writer = new MaskWriter(team);
  for (const target of masks) {
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      const begin = performance.now();
      await writer.fill([{ target, key: [i, 7], rate: 0.1 }]);
      times.push(performance.now() - begin);
    }
    results[`dropoutMask.${target.dtype}NsPerElement.threads${threads}`] =
      (median(times.slice(2)) * 1e6) / maskElements;
  }
  await team.dispose();
}
if (process.argv.includes("--json")) console.log(JSON.stringify(results));
else for (const [name, value] of Object.entries(results)) console.log(name.padEnd(44), value.toFixed(3));
