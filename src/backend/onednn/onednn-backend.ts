import { availableParallelism } from "node:os";
import { type ComputeDType, type DType, dtypeBytes, type TensorType } from "../../ir/dtype.ts";
import type { CompositeName, Graph, Node } from "../../ir/graph.ts";
import { sizeOf } from "../../ir/shape.ts";
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
import { OneDnnExecutable } from "./executable.ts";
import { OneDnnFixedInputs } from "./fixed-inputs.ts";
import { isLoweredWhole, lowerGraph } from "./lower/lower-graph.ts";
import { EngineThread } from "./thread.ts";

const PROBE_RUNS = 5;
/** Graphs that run at the same time. */
const MAX_LANES = 4;

export interface OneDnnBackendOptions {
  /** Threads of the library and of sweeps; all processors by default. */
  readonly threads?: number;
  /** The library's file; searched when left out. */
  readonly libraryPath?: string;
  /** Added to the description: why this engine was chosen. */
  readonly note?: string;
}

/**
 * Opens oneDNN as an engine.
 * @throws {BackendError} ONEDNN_LIBRARY_MISSING saying what to install; see `EngineThread.open` for others
 */
export async function createOneDnnBackend(options: OneDnnBackendOptions = {}): Promise<OneDnnBackend> {
  return new OneDnnBackend(await EngineThread.open(options), options);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** oneDNN on the CPU, in a thread of its own, over tensors in shared WebAssembly memory. */
export class OneDnnBackend implements Backend {
  readonly name = "onednn";
  readonly computeDtypes: readonly DType[];
  readonly threads: number;
  /** Library and instruction set, for people. */
  readonly description: string;
  readonly thread: EngineThread;
  readonly pool = new MemoryPool();
  private readonly maskMemories = new LaneMaskMemories(this.pool);
  readonly maskWriter: MaskWriter;
  private readonly team: KernelTeam;
  private readonly executables = new Set<OneDnnExecutable>();
  private readonly options: OneDnnBackendOptions;
  /** Engine threads of graphs that run at the same time, each with its share of the library's threads, by lane. */
  private readonly laneThreads = new Map<string, Promise<EngineThread>>();

  constructor(thread: EngineThread, options: OneDnnBackendOptions) {
    this.thread = thread;
    this.options = options;
    this.threads = options.threads ?? availableParallelism();
    const { version, isa, runtime } = thread.info;
    const note = options.note === undefined ? "" : `, ${options.note}`;
    this.description = `oneDNN ${version} (${isa}, ${runtime})${note}`;
    this.computeDtypes = thread.info.bf16 ? ["f32", "bf16"] : ["f32"];
    this.team = new KernelTeam({ threads: this.threads });
    this.maskWriter = new MaskWriter(this.team);
  }

  fuses(node: Node & { readonly op: CompositeName }): boolean {
    return isLoweredWhole(node.op);
  }

  /** Each lane has an engine thread of its own; a library that chooses its threads itself would take them all for each. */
  get maxLanes(): number {
    return this.thread.info.threadsSet ? Math.min(MAX_LANES, this.threads) : 1;
  }

  private threadOf({ lanes = 1, lane = 0 }: CompileOptions): Promise<EngineThread> {
    if (lanes === 1) return Promise.resolve(this.thread);
    const key = `${lane} of ${lanes}`;
    const threads = Math.max(1, Math.floor(this.threads / lanes));
    const opened = this.laneThreads.get(key) ?? EngineThread.open({ ...this.options, threads });
    this.laneThreads.set(key, opened);
    return opened;
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<OneDnnExecutable> {
    const lowered = lowerGraph(graph);
    const thread = await this.threadOf(options);
    const { fixed } = options;
    const never = fixed instanceof OneDnnFixedInputs ? fixed.of(graph, thread) : undefined;
    const program = await thread.compile(lowered.program, never);
    const surroundings = { thread, maskMemory: this.maskMemories.of(options), maskWriter: this.maskWriter };
    const executable = new OneDnnExecutable(graph, lowered, program, surroundings, (done) =>
      this.executables.delete(done),
    );
    this.executables.add(executable);
    return executable;
  }

  /** Kernels otherwise lay weights out anew at every run, which costs more than a product of few rows. */
  fix(buffers: ReadonlyMap<string, Buffer>): FixedInputs {
    return new OneDnnFixedInputs(buffers);
  }

  memoryOf(graph: Graph): GraphMemory {
    const { program, masks } = lowerGraph(graph);
    const constants = program.constants.reduce((sum, { data }) => sum + data.byteLength, 0);
    const filled = masks.reduce((sum, { value }) => sum + sizeOf(value.shape) * dtypeBytes[value.dtype], 0);
    return { workBytes: program.arenaBytes, heldBytes: constants + filled };
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
  private async gemmRate(dtype: ComputeDType): Promise<number> {
    const rates: number[] = [];
    for (let i = 0; i < PROBE_RUNS; i++) rates.push(await this.thread.gemmRate(dtype));
    return median(rates);
  }

  async probe(dtype: ComputeDType = "f32"): Promise<Probe> {
    return {
      engine: this.name,
      description: this.description,
      threads: this.threads,
      computeDtypes: this.computeDtypes,
      gemmGflops: await this.gemmRate(dtype),
    };
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.executables].map((executable) => executable.dispose()));
    await this.team.dispose();
    for (const opened of this.laneThreads.values()) {
      // One that did not open was told to the compilation that asked for it.
      await (await opened.catch(() => undefined))?.dispose();
    }
    await this.thread.dispose();
  }
}
