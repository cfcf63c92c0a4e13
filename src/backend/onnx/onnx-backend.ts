import { availableParallelism } from "node:os";
import type { DType, TensorType } from "../../ir/dtype.ts";
import type { CompositeName, Graph, Node } from "../../ir/graph.ts";
import type {
  Backend,
  Buffer,
  CompileOptions,
  FixedInputs,
  GraphMemory,
  Probe,
  Sweep,
  SweepProgram,
} from "../backend.ts";
import { LaneMaskMemories } from "../wasm/mask-memory.ts";
import { type MemoryBuffer, MemoryPool } from "../wasm/memory.ts";
import { MaskWriter } from "../wasm/random-mask.ts";
import { MemoryStore } from "../wasm/store.ts";
import { compileSweep } from "../wasm/sweep.ts";
import { KernelTeam } from "../wasm/team.ts";
import type { OrtSessionOptions } from "./binding/binding.ts";
import { createGemmProbe, type GemmProbe } from "./binding/gemm-probe.ts";
import { type OpenedBinding, openOrtBinding } from "./binding/open-binding.ts";
import { OnnxExecutable } from "./executable.ts";
import { OnnxFixedInputs, weightRegions } from "./fixed-inputs.ts";
import { graphMemory } from "./lower/graph-memory.ts";
import { isLoweredWhole, lowerGraph } from "./lower/lower-graph.ts";
import { encodeModel } from "./proto/encode-model.ts";

/** BERT-base's feed-forward layer at 8 sequences of 128 tokens, see `Probe.gemmGflops`. */
const PROBE_SHAPE = { m: 1024, n: 3072, k: 768 } as const;
const PROBE_RUNS = 7;

/** Graphs that run at the same time; the binding makes at most four asynchronous calls at once. */
const MAX_LANES = 4;

export interface OnnxBackendOptions {
  /** "auto", the default, takes the C API where its self-test passes and onnxruntime-node elsewhere. */
  readonly binding?: "auto" | "c-api" | "onnxruntime-node";
  /** Threads of one operator and of a sweep; all processors by default. */
  readonly threads?: number;
  /** Added to the description: why this engine was chosen. */
  readonly note?: string;
  /** Write a trace of every operator of every graph to `<prefix>_<time>.json` when the graph is disposed. */
  readonly profileFilePrefix?: string;
}

/**
 * Opens ONNX Runtime as an engine.
 * @throws {BackendError} C_API_UNUSABLE when the C API is asked for and does not work here
 */
export async function createOnnxBackend(options: OnnxBackendOptions = {}): Promise<OnnxBackend> {
  const opened = await openOrtBinding({ binding: options.binding ?? "auto" });
  return new OnnxBackend(opened, options);
}

/** ONNX Runtime on the CPU, over tensors in shared WebAssembly memory. */
export class OnnxBackend implements Backend {
  readonly name = "onnx";
  readonly computeDtypes: readonly DType[] = ["f32"];
  readonly addsInPlace = true;
  readonly threads: number;
  /** How the engine is reached, and why so. */
  readonly description: string;
  private readonly opened: OpenedBinding;
  private readonly sessionOptions: OrtSessionOptions;
  readonly pool = new MemoryPool();
  private readonly maskMemories = new LaneMaskMemories(this.pool);
  private readonly team: KernelTeam;
  readonly maskWriter: MaskWriter;
  private readonly executables = new Set<OnnxExecutable>();
  private gemm: Promise<GemmProbe> | undefined;

  constructor(opened: OpenedBinding, options: OnnxBackendOptions) {
    this.opened = opened;
    this.description = options.note === undefined ? opened.reason : `${opened.reason}, ${options.note}`;
    this.threads = options.threads ?? availableParallelism();
    this.team = new KernelTeam({ threads: this.threads });
    this.maskWriter = new MaskWriter(this.team);
    this.sessionOptions = {
      intraOpThreads: this.threads,
      // The lowering is written operator by operator; rewriting it costs time and undoes nothing worth undoing.
      graphOptimization: "off",
      config: { "session.force_spinning_stop": "1" },
      ...(options.profileFilePrefix === undefined ? {} : { profileFilePrefix: options.profileFilePrefix }),
    };
  }

  fuses(node: Node & { readonly op: CompositeName }): boolean {
    return isLoweredWhole(node.op);
  }

  /** Sessions of the C API run side by side where each has a thread; onnxruntime-node has one worker for all. */
  get maxLanes(): number {
    return this.opened.binding.kind === "c-api" ? Math.min(MAX_LANES, this.threads) : 1;
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<OnnxExecutable> {
    const { fixed, lanes = 1 } = options;
    const weights = fixed instanceof OnnxFixedInputs ? fixed.weights : undefined;
    const lowered = lowerGraph(
      graph,
      weights === undefined ? undefined : { names: fixed!.buffers, location: weights.location },
    );
    const model = encodeModel(lowered.model);
    const intraOpThreads = Math.max(1, Math.floor(this.threads / lanes));
    const session = await this.opened.binding.createSession(model, { ...this.sessionOptions, intraOpThreads }, weights);
    const { pool, maskWriter } = this;
    const memory = { pool, maskWriter, maskMemory: this.maskMemories.of(options) };
    try {
      const executable = new OnnxExecutable(graph, lowered, session, memory, (done) => this.executables.delete(done));
      this.executables.add(executable);
      return executable;
    } catch (error) {
      await session.dispose();
      throw error;
    }
  }

  /** Kernels keep matrices in the order in which they read them; only the C API can share that between graphs. */
  fix(buffers: ReadonlyMap<string, Buffer>): FixedInputs | undefined {
    const { binding } = this.opened;
    return binding.shareWeights === undefined
      ? undefined
      : new OnnxFixedInputs(buffers, binding.shareWeights(weightRegions(buffers)));
  }

  memoryOf(graph: Graph): GraphMemory {
    return graphMemory(lowerGraph(graph));
  }

  allocate(type: TensorType): MemoryBuffer {
    return this.pool.allocate(type);
  }

  createStore(types: readonly TensorType[], sections: readonly string[]): MemoryStore {
    return new MemoryStore(types, sections);
  }

  async compileSweep(program: SweepProgram): Promise<Sweep> {
    return compileSweep(program, this.team);
  }

  async probe(): Promise<Probe> {
    this.gemm ??= createGemmProbe(this.opened.binding, { ...PROBE_SHAPE, intraOpThreads: this.threads });
    const gemm = await this.gemm;
    const rates: number[] = [];
    for (let i = 0; i < PROBE_RUNS; i++) rates.push(await gemm.measure());
    rates.sort((a, b) => a - b);
    return {
      engine: this.name,
      description: this.description,
      threads: this.threads,
      computeDtypes: this.computeDtypes,
      gemmGflops: rates[PROBE_RUNS >> 1]!,
    };
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.executables].map((executable) => executable.dispose()));
    // A probe that failed has told whoever asked for it, and holds nothing.
    await this.gemm?.then(
      (gemm) => gemm.dispose(),
      () => undefined,
    );
    await this.team.dispose();
    await this.opened.binding.dispose();
  }
}
