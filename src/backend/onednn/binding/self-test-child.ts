/**
 * Program of the start-up self-test: uses every part of the C API that training uses, and reports on stdout.
 *
 * It runs in a process of its own, so that a library of another layout crashes here and not in the user's program.
 * The library's path is the first argument; without one it is searched.
 */
import { writeSync } from "node:fs";
import { argv } from "node:process";
import { BackendError } from "../../../base/errors.ts";
import type { SelfTestReport } from "../../self-test.ts";
import { ProgramInstance } from "../instance.ts";
import { type DnnDType, denseView, type Operand, type Program, type Step } from "../program.ts";
import { DnnEngine } from "./engine.ts";
import { type DnnLibrary, openLibrary } from "./library.ts";

const STDOUT = 1;
const ROWS = 24;
const WIDTH = 40;

/** Small whole numbers, which bf16 holds exactly and whose sums f32 holds exactly. */
function wholeNumbers(count: number, modulus: number): Float32Array {
  return new Float32Array(count).map((_, i) => (i % modulus) - Math.floor(modulus / 2));
}

const a = wholeNumbers(ROWS * WIDTH, 7);
const b = wholeNumbers(WIDTH * WIDTH, 5);

/** Product with bias and post-ops, row sums, softmax and layer norm of `a`, and its gradient, in one dtype. */
function testProgram(dtype: DnnDType): Program {
  let arenaBytes = 0;
  const place = (type: DnnDType, ...dims: number[]): Operand => {
    const offset = arenaBytes;
    arenaBytes += Math.ceil((4 * dims.reduce((x, y) => x * y, 1)) / 64) * 64;
    return { view: denseView(type, dims), place: { kind: "arena", offset } };
  };
  const constant = (index: number, ...dims: number[]): Operand => ({
    view: denseView("f32", dims),
    place: { kind: "constant", index },
  });
  const output = (index: number, ...dims: number[]): Operand => ({
    view: denseView("f32", dims),
    place: { kind: "output", index, offset: 0 },
  });
  const [x, w] = [place(dtype, ROWS, WIDTH), place(dtype, WIDTH, WIDTH)];
  const [normal, back] = [place(dtype, ROWS, WIDTH), place(dtype, ROWS, WIDTH)];
  const [mean, variance] = [place("f32", ROWS), place("f32", ROWS)];
  const row = constant(2, WIDTH);
  const [gainGradient, shiftGradient] = [place("f32", WIDTH), place("f32", WIDTH)];
  const label = "self-test";
  const steps: Step[] = [
    { kind: "reorder", label, source: constant(0, ROWS, WIDTH), target: x },
    { kind: "reorder", label, source: constant(1, WIDTH, WIDTH), target: w },
    {
      kind: "matmul",
      label,
      source: x,
      weights: w,
      bias: constant(2, 1, WIDTH),
      target: output(0, ROWS, WIDTH),
      scale: 2,
      postOps: [{ kind: "binary", algorithm: "add", operand: constant(0, ROWS, WIDTH) }],
      acceptReference: true,
    },
    { kind: "reduction", label, algorithm: "sum", source: x, target: output(1, ROWS, 1), postOps: [] },
    { kind: "softmax", label, axis: 1, log: false, source: x, target: normal },
    { kind: "layerNorm", label, epsilon: 1, source: x, target: normal, mean, variance, gain: row, shift: row },
    {
      kind: "layerNormBackward",
      label,
      epsilon: 1,
      source: x,
      mean,
      variance,
      targetGradient: normal,
      sourceGradient: back,
      gain: row,
      gainGradient,
      shiftGradient,
    },
    { kind: "reorder", label, source: mean, target: output(2, ROWS) },
  ];
  return {
    name: label,
    steps,
    arenaBytes,
    constants: [
      { dtype: "f32", shape: [ROWS, WIDTH], data: a },
      { dtype: "f32", shape: [WIDTH, WIDTH], data: b },
      { dtype: "f32", shape: [WIDTH], data: new Float32Array(WIDTH).fill(1) },
    ],
    inputs: [],
    outputs: [
      { dtype: "f32", shape: [ROWS, WIDTH] },
      { dtype: "f32", shape: [ROWS, 1] },
      { dtype: "f32", shape: [ROWS] },
    ],
  };
}

function check(what: string, actual: number, expected: number): void {
  if (Math.abs(actual - expected) > 1e-5) throw new Error(`wrong ${what}: ${actual} instead of ${expected}`);
}

/** Runs over shared memory, twice, and compares with plain arithmetic. */
function checkNumbers(engine: DnnEngine, dtype: DnnDType): void {
  const instance = new ProgramInstance(engine, testProgram(dtype));
  const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const address = engine.library.addressOf(buffer);
  const offsets = [64, 64 + 4 * ROWS * WIDTH, 128 + 4 * ROWS * WIDTH + 4 * ROWS];
  const [y, sums, means] = [ROWS * WIDTH, ROWS, ROWS].map((n, i) => new Float32Array(buffer, offsets[i], n));
  for (let round = 0; round < 2; round++) {
    new Uint8Array(buffer).fill(255);
    instance.run(
      [],
      offsets.map((byteOffset) => ({ buffer, address, byteOffset })),
    );
    for (let i = 0; i < ROWS; i++) {
      const row = a.subarray(i * WIDTH, i * WIDTH + WIDTH);
      const sum = row.reduce((total, value) => total + value, 0);
      check(`${dtype} sum`, sums![i]!, sum);
      check(`${dtype} mean`, means![i]!, sum / WIDTH);
      for (let j = 0; j < WIDTH; j++) {
        const product = row.reduce((total, value, k) => total + value * b[k * WIDTH + j]!, 0);
        check(`${dtype} product`, y![i * WIDTH + j]!, 2 * (product + 1) + row[j]!);
      }
    }
  }
  instance.dispose();
}

async function selfTest(): Promise<string> {
  let library: DnnLibrary;
  try {
    library = await openLibrary(argv[2]);
  } catch (error) {
    // A library that is refused by rule will be refused again, by the same rule: no reason to fear it.
    if (error instanceof BackendError) return error.message;
    throw error;
  }
  const engine = new DnnEngine(library, 2);
  checkNumbers(engine, "f32");
  if (library.facts.bf16) checkNumbers(engine, "bf16");
  engine.dispose();
  return library.facts.version;
}

const report: SelfTestReport = await selfTest().then(
  (version) => ({ passed: true, detail: version }),
  (error: unknown) => ({ passed: false, detail: error instanceof Error ? error.message : String(error) }),
);
writeSync(STDOUT, JSON.stringify(report));
