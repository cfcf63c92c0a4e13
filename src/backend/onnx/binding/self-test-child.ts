/**
 * Program of the start-up self-test: uses every part of the C API that training uses, and reports on stdout.
 *
 * It runs in a process of its own, so that a library of another layout crashes here and not in the user's program.
 */
import { writeSync } from "node:fs";
import { encodeModel } from "../proto/encode-model.ts";
import type { MemoryRegion, OrtSession } from "./binding.ts";
import { openCApiBinding } from "./c-api.ts";
import type { SelfTestReport } from "./self-test.ts";

const STDOUT = 1;
const ROWS = 64;
const WIDTH = 48;

function region(
  buffer: ArrayBufferLike,
  byteOffset: number,
  dtype: MemoryRegion["dtype"],
  ...shape: number[]
): MemoryRegion {
  return { buffer, byteOffset, dtype, shape };
}

/** y = x·w, and the index of the largest column, through one float and one integer output. */
function testModel(): Uint8Array {
  return encodeModel({
    opsets: { "": 20 },
    graph: {
      name: "self-test",
      inputs: [
        { name: "x", dtype: "f32", shape: [ROWS, WIDTH] },
        { name: "w", dtype: "f32", shape: [WIDTH, WIDTH] },
      ],
      outputs: [
        { name: "y", dtype: "f32", shape: [ROWS, WIDTH] },
        { name: "best", dtype: "i64", shape: [ROWS] },
      ],
      nodes: [
        { opType: "MatMul", inputs: ["x", "w"], outputs: ["y"] },
        {
          opType: "ArgMax",
          inputs: ["y"],
          outputs: ["best"],
          attributes: { axis: { int: 1 }, keepdims: { int: 0 } },
        },
      ],
    },
  });
}

/** Runs over the given memory and compares with plain arithmetic on small integers, which floats hold exactly. */
async function checkNumbers(session: OrtSession, buffer: ArrayBufferLike): Promise<void> {
  const offsets = { x: 64, w: 64 + 4 * ROWS * WIDTH, y: 64 + 4 * (ROWS + WIDTH) * WIDTH, best: 0 };
  offsets.best = offsets.y + 4 * ROWS * WIDTH;
  const x = new Float32Array(buffer, offsets.x, ROWS * WIDTH).map((_, i) => (i % 7) - 3);
  new Float32Array(buffer, offsets.x, x.length).set(x);
  const w = new Float32Array(buffer, offsets.w, WIDTH * WIDTH).map((_, i) => (i % 5) - 2);
  new Float32Array(buffer, offsets.w, w.length).set(w);
  const y = new Float32Array(buffer, offsets.y, ROWS * WIDTH);
  const best = new BigInt64Array(buffer, offsets.best, ROWS);
  const run = session.bind(
    [region(buffer, offsets.x, "f32", ROWS, WIDTH), region(buffer, offsets.w, "f32", WIDTH, WIDTH)],
    [region(buffer, offsets.y, "f32", ROWS, WIDTH), region(buffer, offsets.best, "i64", ROWS)],
  );
  for (const compute of [() => run.runSync?.(), () => run.run()]) {
    y.fill(Number.NaN);
    best.fill(-1n);
    await compute();
    for (let row = 0; row < ROWS; row++) {
      let largest = -Infinity;
      let largestColumn = -1;
      for (let column = 0; column < WIDTH; column++) {
        let sum = 0;
        for (let k = 0; k < WIDTH; k++) {
          sum += x[row * WIDTH + k]! * w[k * WIDTH + column]!;
        }
        if (y[row * WIDTH + column] !== sum) {
          throw new Error(`wrong product at ${row},${column}: ${y[row * WIDTH + column]} instead of ${sum}`);
        }
        if (sum > largest) {
          largest = sum;
          largestColumn = column;
        }
      }
      if (Number(best[row]) !== largestColumn) {
        throw new Error(`wrong index at row ${row}: ${best[row]} instead of ${largestColumn}`);
      }
    }
  }
  await run.dispose();
}

async function selfTest(): Promise<string> {
  const binding = await openCApiBinding();
  const session = await binding.createSession(testModel(), { intraOpThreads: 2 });
  const names = [...session.inputs, ...session.outputs].map((spec) => `${spec.name}:${spec.dtype}[${spec.shape}]`);
  const expected = `x:f32[${ROWS},${WIDTH}] w:f32[${WIDTH},${WIDTH}] y:f32[${ROWS},${WIDTH}] best:i64[${ROWS}]`;
  if (names.join(" ") !== expected) {
    throw new Error(`wrong inputs and outputs: ${names.join(" ")}`);
  }
  await checkNumbers(session, new ArrayBuffer(64 * 1024));
  await checkNumbers(session, new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer);
  const refusal = await binding.createSession(new Uint8Array([1, 2, 3]), { intraOpThreads: 1 }).then(
    () => "none",
    (error: Error) => error.message,
  );
  if (!refusal.includes("protobuf")) {
    throw new Error(`wrong answer to a broken model: ${refusal}`);
  }
  await binding.dispose();
  return binding.version;
}

const report: SelfTestReport = await selfTest().then(
  (version) => ({ passed: true, detail: version }),
  (error: unknown) => ({ passed: false, detail: error instanceof Error ? error.message : String(error) }),
);
writeSync(STDOUT, JSON.stringify(report));
