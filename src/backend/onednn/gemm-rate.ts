import type { DnnEngine } from "./binding/engine.ts";
import { ProgramInstance } from "./instance.ts";
import { denseView, dnnDTypeBytes, type Operand, type Program } from "./program.ts";
import type { RateDType } from "./thread-protocol.ts";

/** BERT-base's feed-forward layer at 8 sequences of 128 tokens. */
const M = 1024;
const K = 768;
const N = 3072;
const WARM_UPS = 3;
const ROUNDS = 9;
/** A busy machine gets fewer rounds, but at least this many. */
const LEAST_ROUNDS = 3;
const LONGEST_MS = 1000;

function program(dtype: RateDType): Program {
  const bytes = dnnDTypeBytes[dtype];
  const at = (offset: number, rows: number, columns: number): Operand => ({
    view: denseView(dtype, [rows, columns]),
    place: { kind: "arena", offset },
  });
  const fill = new Float32Array(K * N).map((_, i) => ((i * 7919) % 101) / 101 - 0.5);
  const constant = (rows: number, columns: number): Operand => ({
    view: denseView("f32", [rows, columns]),
    place: { kind: "constant", index: 0 },
  });
  const source = at(0, M, K);
  const weights = at(M * K * bytes, K, N);
  const target = at((M * K + K * N) * bytes, M, N);
  return {
    name: "matrix product",
    arenaBytes: (M * K + K * N + M * N) * bytes,
    constants: [{ dtype: "f32", shape: [K, N], data: fill }],
    inputs: [],
    outputs: [],
    steps: [
      { kind: "reorder", label: "probe", source: constant(M, K), target: source },
      { kind: "reorder", label: "probe", source: constant(K, N), target: weights },
      { kind: "matmul", label: "probe", source, weights, target, postOps: [] },
    ],
  };
}

/**
 * The library's rate for one large matrix product, both operands as training has them (row-major, not packed
 * beforehand): the median of nine, after three to warm up; of fewer where that takes longer than a second.
 * @returns 10⁹ floating-point operations a second
 */
export function measureRate(engine: DnnEngine, dtype: RateDType): number {
  const whole = program(dtype);
  const instance = new ProgramInstance(engine, whole);
  try {
    instance.run([], []);
    const rates: number[] = [];
    const start = performance.now();
    for (let round = 0; round < WARM_UPS + ROUNDS; round++) {
      const late = performance.now() - start > LONGEST_MS;
      if (late && rates.length >= LEAST_ROUNDS) break;
      const begin = performance.now();
      instance.runStep(2);
      const rate = (2 * M * N * K) / ((performance.now() - begin) * 1e6);
      if (round >= WARM_UPS || late) rates.push(rate);
    }
    return rates.sort((x, y) => x - y)[rates.length >> 1]!;
  } finally {
    instance.dispose();
  }
}
