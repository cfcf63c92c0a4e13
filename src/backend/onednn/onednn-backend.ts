import { availableParallelism } from "node:os";
import type { DType, TensorType } from "../../ir/dtype.ts";
import type { CompositeName, Graph, Node } from "../../ir/graph.ts";
import type { Backend, Probe, Sweep, SweepProgram } from "../backend.ts";
import { type MemoryBuffer, MemoryPool } from "../wasm/memory.ts";
import { MaskWriter } from "../wasm/random-mask.ts";
import { MemoryStore } from "../wasm/store.ts";
import { compileSweep } from "../wasm/sweep.ts";
import { KernelTeam } from "../wasm/team.ts";
import { OneDnnExecutable } from "./executable.ts";
import { isLoweredWhole, lowerGraph } from "./lower/lower-graph.ts";
import { EngineThread } from "./thread.ts";

const PROBE_RUNS = 5;

export interface OneDnnBackendOptions {
  /** Threads of the library and of sweeps; all processors by default. */
  readonly threads?: number;
  /** The library's file; searched when left out. */
  readonly libraryPath?: string;
}

/**
 * Opens oneDNN as an engine.
 * @throws {BackendError} ONEDNN_LIBRARY_MISSING saying what to install; see `EngineThread.open` for others
 */
export async function createOneDnnBackend(options: OneDnnBackendOptions = {}): Promise<OneDnnBackend> {
  return new OneDnnBackend(await EngineThread.open(options), options.threads ?? availableParallelism());
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** oneDNN on the CPU, in a thread of its own, over tensors in shared WebAssembly memory. */
export class OneDnnBackend implements Backend {
  readonly name = "onednn";
  readonly computeDtypes: readonly DType[];
  readonly threads: number;
  readonly thread: EngineThread;
  readonly pool = new MemoryPool();
  readonly maskWriter: MaskWriter;
  private readonly team: KernelTeam;
  private readonly executables = new Set<OneDnnExecutable>();

  constructor(thread: EngineThread, threads: number) {
    this.thread = thread;
    this.threads = threads;
    this.computeDtypes = thread.info.bf16 ? ["f32", "bf16"] : ["f32"];
    this.team = new KernelTeam({ threads });
    this.maskWriter = new MaskWriter(this.team);
  }

  /** Library and instruction set, for people. */
  get description(): string {
    const { version, isa, runtime } = this.thread.info;
    return `oneDNN ${version} (${isa}, ${runtime})`;
  }

  fuses(node: Node & { readonly op: CompositeName }): boolean {
    return isLoweredWhole(node.op);
  }

  async compile(graph: Graph): Promise<OneDnnExecutable> {
    const lowered = lowerGraph(graph);
    const program = await this.thread.compile(lowered.program);
    const executable = new OneDnnExecutable(graph, lowered, program, this, (done) => this.executables.delete(done));
    this.executables.add(executable);
    return executable;
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

  /** Median rate of one product, in 10⁹ floating-point operations a second. */
  async gemmRate(dtype: "f32" | "bf16"): Promise<number> {
    const rates: number[] = [];
    for (let i = 0; i < PROBE_RUNS; i++) rates.push(await this.thread.gemmRate(dtype));
    return median(rates);
  }

  async probe(): Promise<Probe> {
    return {
      engine: this.name,
      description: this.description,
      threads: this.threads,
      computeDtypes: this.computeDtypes,
      gemmGflops: await this.gemmRate("f32"),
    };
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.executables].map((executable) => executable.dispose()));
    await this.team.dispose();
    await this.thread.dispose();
  }
}
