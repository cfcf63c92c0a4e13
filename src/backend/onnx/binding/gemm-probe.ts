import { encodeModel } from "../proto/encode-model.ts";
import type { MemoryRegion, OrtBinding } from "./binding.ts";

export interface GemmProbeOptions {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly intraOpThreads: number;
}

/** A float32 product ready to be timed again and again, so that a benchmark can interleave it with its own steps. */
export interface GemmProbe {
  /** One timed product, in 10⁹ floating-point operations a second. */
  measure(): Promise<number>;
  dispose(): Promise<void>;
}

/** BERT-base's feed-forward layer at 8 sequences of 128 tokens. */
const DEFAULT_SHAPE = { m: 1024, n: 3072, k: 768 } as const;
const WARM_UPS = 3;
const ROUNDS = 9;

/**
 * Prepares `[m, k] × [k, n]`, both operands run-time inputs as weights are in training (nothing is packed beforehand).
 * @throws {BackendError} SESSION_REFUSED when the engine does not take the model
 */
export async function createGemmProbe(binding: OrtBinding, options: GemmProbeOptions): Promise<GemmProbe> {
  const { m, n, k, intraOpThreads } = options;
  const session = await binding.createSession(
    encodeModel({
      opsets: { "": 20 },
      graph: {
        name: "gemm-probe",
        inputs: [
          { name: "a", dtype: "f32", shape: [m, k] },
          { name: "b", dtype: "f32", shape: [k, n] },
        ],
        outputs: [{ name: "c", dtype: "f32", shape: [m, n] }],
        nodes: [{ opType: "MatMul", inputs: ["a", "b"], outputs: ["c"] }],
      },
    }),
    { intraOpThreads },
  );
  const region = (...shape: [number, number]): MemoryRegion => {
    // Shared memory, so that the worker of onnxruntime-node need not receive copies.
    const buffer = new SharedArrayBuffer(4 * shape[0] * shape[1]);
    // Zeros would be kinder than real data to some processors.
    new Float32Array(buffer).forEach((_, i, data) => {
      data[i] = ((i * 7919) % 101) / 101 - 0.5;
    });
    return { buffer, byteOffset: 0, dtype: "f32", shape };
  };
  const run = session.bind([region(m, k), region(k, n)], [region(m, n)]);
  const operations = 2 * m * n * k;
  return {
    async measure() {
      const start = performance.now();
      await run.run();
      return operations / ((performance.now() - start) * 1e6);
    },
    dispose: () => session.dispose(),
  };
}

/**
 * The engine's rate for one large float32 product: the median of nine, after three to warm up.
 * @returns 10⁹ floating-point operations a second
 */
export async function measureGemm(
  binding: OrtBinding,
  options: Pick<GemmProbeOptions, "intraOpThreads"> & Partial<GemmProbeOptions>,
): Promise<number> {
  const probe = await createGemmProbe(binding, { ...DEFAULT_SHAPE, ...options });
  try {
    const rates: number[] = [];
    for (let round = -WARM_UPS; round < ROUNDS; round++) {
      const rate = await probe.measure();
      if (round >= 0) {
        rates.push(rate);
      }
    }
    return rates.sort((a, b) => a - b)[(ROUNDS - 1) / 2]!;
  } finally {
    await probe.dispose();
  }
}
