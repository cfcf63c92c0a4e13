/** @file The reference engine: slow, exact and plain; the measure for every other engine. */
import type { DType } from "../../ir/dtype.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Backend, CompileOptions, Probe } from "../backend.ts";
import { dot } from "../host/dot.ts";
import { allocateTensor, type Precision } from "../host/storage.ts";
import { ReferenceBuffer } from "./buffer.ts";
import { ReferenceExecutable } from "./executable.ts";
import { ReferenceStore } from "./store.ts";
import { ReferenceSweep } from "./sweep.ts";

export interface ReferenceOptions {
  /** "f64" (default) computes and holds all floats as doubles; "f32" rounds every result to its dtype. */
  readonly precision?: Precision;
  /** Takes training steps as one graph each; false by default. The numbers are the same. */
  readonly wholeSteps?: boolean;
}

const computeDtypes: readonly DType[] = ["f32", "f64", "bf16", "f16"];

/** Times a thin slice of the probed product: the whole would take seconds in an interpreter. */
function measureGemm(precision: Precision): number {
  const [m, k, n] = [16, 768, 3072];
  const lhs = allocateTensor("f32", [m, k], precision);
  const rhs = allocateTensor("f32", [n, k], precision);
  const result = allocateTensor("f32", [m, n], precision);
  const params = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [1] };
  const refuse = (): never => {
    throw new Error("dot has no body");
  };
  const start = performance.now();
  dot({ inputs: [lhs, rhs], outputs: [result], params, evaluate: refuse });
  return (2 * m * k * n) / ((performance.now() - start) * 1e6);
}

/** An engine that interprets graphs of primitives in plain TypeScript on one thread. */
export function createReferenceBackend(options: ReferenceOptions = {}): Backend {
  const { precision = "f64", wholeSteps = false } = options;
  return {
    name: "reference",
    computeDtypes,
    fuses: () => false,
    maxLanes: 2,
    donates: true,
    wholeSteps,
    compile: async (graph: Graph, { donations }: CompileOptions = {}) =>
      new ReferenceExecutable(graph, precision, donations),
    allocate: ({ dtype, shape }) => new ReferenceBuffer(allocateTensor(dtype, shape, precision), precision),
    createStore: (types, sections) => new ReferenceStore(types, sections, precision),
    compileSweep: async (program) => new ReferenceSweep(program, precision),
    probe: async (): Promise<Probe> => ({
      engine: "reference",
      description: `interpreter in TypeScript, ${precision}`,
      threads: 1,
      computeDtypes,
      gemmGflops: measureGemm(precision),
    }),
    dispose: async () => undefined,
  };
}
