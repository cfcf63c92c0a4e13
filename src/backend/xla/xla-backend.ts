/** @file The XLA engine: graphs as StableHLO, run by whatever library there is. */
import { availableParallelism } from "node:os";
import { GraphBuilder } from "../../ir/builder.ts";
import type { ComputeDType, DType, TensorType } from "../../ir/dtype.ts";
import type { CompositeName, Graph, Node } from "../../ir/graph.ts";
import { tensorType } from "../../ir/shape.ts";
import type { Backend, CompileOptions, Probe, Sweep, SweepProgram } from "../backend.ts";
import { XlaBuffer, type XlaMemory } from "./buffer.ts";
import { deviceCopies, hostCopies } from "./copies.ts";
import { XlaExecutable } from "./executable.ts";
import type { Sharding, XlaExecutor } from "./executor.ts";
import type { LowerOptions, LowerToStableHlo } from "./lower/module.ts";
import { ProgramCache } from "./program-cache.ts";
import { XlaStore } from "./store.ts";
import { XlaSweep } from "./sweep.ts";

interface ProbeProduct {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** See `Probe.gemmGflops`. */
const PROBE_PRODUCT: ProbeProduct = { m: 1024, n: 3072, k: 768 };
/** A measurement takes at least so long: products take microseconds on a GPU. */
const PROBE_MILLISECONDS = 20;
const PROBE_ROUNDS = 5;

/** Composites that the lowering is not given: calls are run through. */
const expanded: readonly CompositeName[] = ["call"];

/** `fused`: the compiler's kernels for attention where it has them; `written-out`: none of them, whatever it has. */
export const xlaAttentions = ["fused", "written-out"] as const;
export type XlaAttention = (typeof xlaAttentions)[number];

export interface XlaBackendOptions {
  readonly lower: LowerToStableHlo;
  /** Threads that the library was opened with; those of the machine when left out. */
  readonly threads?: number | undefined;
  /** Where runs of elements are copied between buffers; on the host of a CPU when left out, else on the device. */
  readonly copies?: "host" | "device";
  /** The product that `probe` times; BERT-base's feed-forward layer at 8 sequences of 128 tokens when left out. */
  readonly probeProduct?: ProbeProduct;
  /** What the lowering is told beside what the executor says of itself. */
  readonly lowering?: Pick<LowerOptions, "f32Products" | "oneHotRows" | "locations">;
  /** `fused` when left out. */
  readonly attention?: XlaAttention | undefined;
}

/** A product that is ready to be timed. */
interface OpenProduct {
  /** Milliseconds of one. */
  readonly time: () => Promise<number>;
  readonly dispose: () => void;
}

/** One product whose result is a single number, so that it can be waited for without copying it. */
function probeGraph(dtype: ComputeDType, { m, n, k }: ProbeProduct): Graph {
  const builder = new GraphBuilder("probe");
  const [a, b] = [builder.input("a", dtype, [m, k]), builder.input("b", dtype, [k, n])];
  const contracted = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  const [product] = builder.emit("dot", [a, b], contracted);
  const [wide] = builder.emit("convert", [product!], { dtype: "f32" });
  const [largest] = builder.emit("reduceMax", [wide!], { axes: [0, 1] });
  return builder.finish([{ name: "largest", value: largest! }]);
}

/** XLA through an executor: a PJRT plugin or TensorFlow's library. */
export class XlaBackend implements Backend {
  readonly name: string;
  readonly computeDtypes: readonly DType[];
  readonly donates = true;
  readonly wholeSteps = true;
  readonly devices: number;
  readonly threads: number;
  readonly executor: XlaExecutor;
  private readonly probeProduct: ProbeProduct;
  private readonly cache: ProgramCache;
  private readonly memory: XlaMemory;
  private readonly executables = new Set<XlaExecutable>();
  private readonly sweeps = new Set<XlaSweep>();
  private readonly products = new Map<ComputeDType, Promise<OpenProduct>>();
  private disposed: Promise<void> | undefined;

  constructor(executor: XlaExecutor, options: XlaBackendOptions) {
    this.executor = executor;
    this.name = `xla:${executor.facts.platform}`;
    this.computeDtypes = executor.computeDtypes;
    this.devices = executor.facts.devices;
    this.threads = options.threads ?? availableParallelism();
    this.probeProduct = options.probeProduct ?? PROBE_PRODUCT;
    const { lower, lowering = {} } = options;
    const kernels = options.attention === "written-out" ? { customCalls: new Set<string>() } : {};
    this.cache = new ProgramCache(executor, (graph, chosen) => lower(graph, { ...lowering, ...chosen, ...kernels }));
    // A copy on the host costs a GPU two ways over the bus.
    const stays = options.copies ?? (executor.facts.platform === "cpu" ? "host" : "device");
    const makeCopies = stays === "host" ? hostCopies(executor) : deviceCopies(executor, this.cache);
    this.memory = { executor, makeCopies };
  }

  fuses(node: Node & { readonly op: CompositeName }): boolean {
    return !expanded.includes(node.op);
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<XlaExecutable> {
    const { donations = new Map<string, string>(), partitioning } = options;
    const cached = await this.cache.hold(graph, { donations, ...(partitioning === undefined ? {} : { partitioning }) });
    const executable = new XlaExecutable(this.executor, graph, cached, donations, (done) =>
      this.executables.delete(done),
    );
    this.executables.add(executable);
    return executable;
  }

  allocate(type: TensorType, sharding?: Sharding): XlaBuffer {
    return new XlaBuffer(this.memory, type, sharding);
  }

  createStore(
    types: readonly TensorType[],
    sections: readonly string[],
    shardingOf?: (section: string, index: number) => Sharding,
  ): XlaStore {
    return new XlaStore(this.memory, types, sections, shardingOf);
  }

  async compileSweep(program: SweepProgram): Promise<Sweep> {
    const sweep = new XlaSweep(this.memory, this.cache, program);
    this.sweeps.add(sweep);
    return sweep;
  }

  async probe(dtype: ComputeDType = "f32"): Promise<Probe> {
    return {
      engine: this.name,
      description: this.executor.facts.description,
      threads: this.threads,
      computeDtypes: this.computeDtypes,
      gemmGflops: await this.measureProduct(dtype),
    };
  }

  private async openProduct(dtype: ComputeDType): Promise<OpenProduct> {
    const executable = await this.compile(probeGraph(dtype, this.probeProduct));
    const inputs = executable.graph.inputs.map(({ value }) => this.allocate(value));
    const result = this.allocate(tensorType("f32", []));
    // Runs may end before their results are there: the last result is waited for.
    const time = async (runs: number): Promise<number> => {
      const began = performance.now();
      for (let i = 0; i < runs; i++) await executable.run(inputs, [result]);
      await result.read();
      return (performance.now() - began) / runs;
    };
    await time(2);
    const runs = Math.min(4096, Math.max(1, Math.ceil(PROBE_MILLISECONDS / (await time(1)))));
    const dispose = (): void => {
      for (const buffer of [...inputs, result]) buffer.dispose();
    };
    return { time: () => time(runs), dispose };
  }

  private async measureProduct(dtype: ComputeDType): Promise<number> {
    const { m, n, k } = this.probeProduct;
    const product = this.products.get(dtype) ?? this.openProduct(dtype);
    this.products.set(dtype, product);
    const { time } = await product;
    const times: number[] = [];
    for (let i = 0; i < PROBE_ROUNDS; i++) times.push(await time());
    times.sort((a, b) => a - b);
    return (2 * m * n * k) / (times[PROBE_ROUNDS >> 1]! * 1e6);
  }

  /** Waits for what runs, then frees programs and library; buffers that are still held are of no use after it. */
  dispose(): Promise<void> {
    this.disposed ??= this.release();
    return this.disposed;
  }

  private async release(): Promise<void> {
    // One that could not be opened has told whoever asked for it.
    for (const product of this.products.values()) (await product.catch(() => undefined))?.dispose();
    await Promise.all([...this.executables, ...this.sweeps].map((one) => one.dispose()));
    await this.cache.dispose();
    await this.executor.dispose();
  }
}
