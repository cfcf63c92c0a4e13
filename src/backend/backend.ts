/**
 * @file What the rest of Firth knows of an engine.
 *
 * An engine compiles graphs to executables and owns the memory they work on. Buffers are opaque: nothing
 * outside an engine assumes where or how they lie. Weights and their companions (gradients, moments) live in
 * a *store*, so that an update rule can run over them as one sweep.
 */

import type { ComputeDType, DType, HostData, TensorType } from "../ir/dtype.ts";
import type { CompositeName, Graph, Node } from "../ir/graph.ts";

/** Equally long runs of consecutive elements, in row-major order: which are read, and which are written. */
export interface ElementRuns {
  /** First element read. */
  readonly from: number;
  /** First element written. */
  readonly to: number;
  /** Elements of a run. */
  readonly length: number;
  /** Runs; 1 by default. */
  readonly count?: number;
  /** Elements from the start of one run to that of the next; a run's length by default. */
  readonly fromStride?: number;
  readonly toStride?: number;
}

/** A tensor in an engine's memory. */
export interface Buffer extends TensorType {
  /** Copies host data in; lengths must agree. */
  write(data: HostData): void;
  /**
   * Copies runs of another tensor of this engine in, or of this one where no run is read that was written before.
   * Never during a run of either.
   * @throws {BackendError} BUFFER_DATA_MISMATCH where the dtypes differ, BUFFER_RANGE where a run leaves a tensor
   */
  copyFrom(source: Buffer, runs: ElementRuns): void;
  /** Copies out into new host memory. */
  read(): Promise<HostData>;
  dispose(): void;
}

/** A compiled graph. */
export interface Executable {
  readonly graph: Graph;
  /**
   * Runs once. Buffers are given in the order of the graph's inputs and outputs; outputs are overwritten.
   * An output may share memory with no other buffer of the run (BackendError REGION_OVERLAP; but see `addsInPlace` and `donations`). A run does not block the event loop. Runs of one executable do not overlap: a second waits for the first.
   */
  run(inputs: readonly Buffer[], outputs: readonly Buffer[]): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Parameters with companion tensors of the same shapes: section "value" holds the weights, further sections
 * hold gradients and optimizer state. Sections are f32 and lie flat, 64-byte aligned, in the engine's memory.
 */
export interface ParameterStore {
  readonly types: readonly TensorType[];
  readonly sections: readonly string[];
  /** The tensor of one parameter in one section; owned by the store. */
  buffer(section: string, index: number): Buffer;
  dispose(): void;
}

/**
 * A pointwise program mapped over a store. The graph works on scalars (shape []): each input is either a
 * section ("one element of it"), or a scalar given at run time; each output goes to a section, or is summed.
 */
export interface SweepProgram {
  readonly graph: Graph;
  /** For each graph input: the section it reads, or a run-time scalar. */
  readonly inputs: readonly ({ readonly section: string } | { readonly scalar: string })[];
  /** For each graph output: the section it overwrites, or the name of a sum over all elements (in f64). */
  readonly outputs: readonly ({ readonly section: string } | { readonly sum: string })[];
}

/** A range of parameters [first, last) swept with the same scalars. */
export interface SweepRange {
  readonly first: number;
  readonly last: number;
  readonly scalars: Readonly<Record<string, number>>;
}

export interface Sweep {
  /** Runs over the ranges in order and gives the sums over all of them. Independent of the number of threads. */
  run(store: ParameterStore, ranges: readonly SweepRange[]): Promise<Readonly<Record<string, number>>>;
  /** As `run`, but gives the sums of every range by itself, in the order of the ranges. */
  runEach(store: ParameterStore, ranges: readonly SweepRange[]): Promise<readonly Readonly<Record<string, number>>[]>;
  dispose(): Promise<void>;
}

/**
 * Inputs of graphs that hold the same numbers at every run, by name. The engine may keep copies that are laid out for
 * its kernels; all executables that are compiled with one set share them. Runs are still given every input.
 */
export interface FixedInputs {
  readonly buffers: ReadonlyMap<string, Buffer>;
  /** Places, as tokens of a batch, up to which a graph gains by the copies more than they take. */
  readonly maxPlaces: number;
  /** Call it after the executables are disposed, and before the buffers are. */
  dispose(): void;
}

/** How a tensor lies on an engine's devices: a copy on each, or cut into equal parts along one axis. */
export type Sharding = "replicated" | { readonly axis: number };

/** How a graph is spread over devices: each does its part, and the numbers are those of one device. */
export interface Partitioning {
  /** Devices that share the work; at least 1. */
  readonly partitions: number;
  /** How inputs and outputs lie, by name; replicated when left out. The buffers of a run lie so. */
  readonly inputs?: ReadonlyMap<string, Sharding>;
  readonly outputs?: ReadonlyMap<string, Sharding>;
}

export interface CompileOptions {
  /** Inputs that never change, from `fix`. */
  readonly fixed?: FixedInputs | undefined;
  /**
   * Names of outputs by the names of the inputs whose memory they take; only where the engine `donates`. Both are of one
   * type, and a run is given one buffer as both: what was in it is gone after the run.
   */
  readonly donations?: ReadonlyMap<string, string> | undefined;
  /** How inputs and outputs lie on the engine's devices; on one when left out. */
  readonly partitioning?: Partitioning | undefined;
  /** How many executables are to run at the same time, each with its share of the threads; 1 when left out. */
  readonly lanes?: number | undefined;
  /** Which of these this one is, from 0; two of one lane do not run at the same time. */
  readonly lane?: number | undefined;
}

/** What an engine found out about itself. */
export interface Probe {
  readonly engine: string;
  /** Library version and binding, for people. */
  readonly description: string;
  readonly threads: number;
  readonly computeDtypes: readonly DType[];
  /** Measured rate of one matrix product (M 1024, K 768, N 3072), in 10⁹ floating point operations a second. */
  readonly gemmGflops: number;
}

/** What a graph takes beside the buffers it is run on. */
export interface GraphMemory {
  /** Most bytes of intermediate results at once. Graphs of one engine that do not run at the same time share them. */
  readonly workBytes: number;
  /** Bytes kept from compilation to disposal: constants, masks, code. */
  readonly heldBytes: number;
}

export interface Backend {
  readonly name: string;
  /** dtypes in which matrix products and activations may be computed. */
  readonly computeDtypes: readonly DType[];
  /** Whether this engine takes a composite as it is; all others are decomposed before `compile`. */
  fuses(node: Node & { readonly op: CompositeName }): boolean;
  /**
   * @throws {BackendError} naming the node that the engine cannot take
   */
  compile(graph: Graph, options?: CompileOptions): Promise<Executable>;
  /** Most executables that run at the same time, see `CompileOptions.lanes`; 1 when left out. */
  readonly maxLanes?: number;
  /** Says that buffers will not be written any more; undefined, or no such method, where that gains nothing. */
  fix?(buffers: ReadonlyMap<string, Buffer>): FixedInputs | undefined;
  /** What a graph would take; engines that cannot tell leave this out. */
  memoryOf?(graph: Graph): GraphMemory;
  /**
   * Whether a run may be given one buffer as an input and as an output that is a sum with this input, which nothing else
   * reads (`inPlaceSums`).
   */
  readonly addsInPlace?: boolean;
  /** Whether graphs may be compiled with `donations`. */
  readonly donates?: boolean;
  /**
   * Whether a training step is to be one graph, from batch to new weights, which needs `donates`. The runs of such an engine
   * may end before their results are there: reading waits for them, and gives what was there when it was asked for.
   */
  readonly wholeSteps?: boolean;
  /** Devices that the engine may spread a graph over, see `Partitioning`; 1 when left out. */
  readonly devices?: number;
  /** @param sharding how it lies where there are several devices; replicated when left out */
  allocate(type: TensorType, sharding?: Sharding): Buffer;
  /** @param shardingOf how a section of a parameter lies where there are several devices; replicated when left out */
  createStore(
    types: readonly TensorType[],
    sections: readonly string[],
    shardingOf?: (section: string, index: number) => Sharding,
  ): ParameterStore;
  compileSweep(program: SweepProgram): Promise<Sweep>;
  /** @param dtype in which the measured product is computed, one of `computeDtypes`; f32 by default */
  probe(dtype?: ComputeDType): Promise<Probe>;
  dispose(): Promise<void>;
}
