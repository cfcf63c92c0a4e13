import type { Graph } from "../../ir/graph.ts";
import { inPlaceSums } from "../../ir/in-place-sum.ts";
import type { Buffer, Executable } from "../backend.ts";
import { addRows } from "../wasm/add-rows.ts";
import { type BoundMask, fillMasks } from "../wasm/mask-filler.ts";
import type { MaskMemory } from "../wasm/mask-memory.ts";
import type { PlannedMask } from "../wasm/mask-plan.ts";
import type { MemoryBuffer, MemoryPool } from "../wasm/memory.ts";
import type { MaskWriter } from "../wasm/random-mask.ts";
import { checkRun, executableError } from "../wasm/run-buffers.ts";
import type { MemoryRegion, OrtBoundRun, OrtSession } from "./binding/binding.ts";
import type { Ref } from "./lower/emitter.ts";
import type { LoweredGraph } from "./lower/lower-graph.ts";

/** Sets of buffers whose bindings are kept: training alternates between very few. */
const KEPT_BINDINGS = 8;

/** Names of buffers, for telling sets of them apart. */
const bufferIds = new WeakMap<MemoryBuffer, number>();
let nextBufferId = 0;

function idOf(buffer: MemoryBuffer): number {
  const known = bufferIds.get(buffer) ?? nextBufferId++;
  bufferIds.set(buffer, known);
  return known;
}

function regionOf(buffer: MemoryBuffer, ref: Ref): MemoryRegion {
  const { buffer: memory, byteOffset } = buffer.region;
  return { buffer: memory, byteOffset, dtype: ref.dtype, shape: ref.shape };
}

/** Gives a binding back while others run; an engine that fails at it fails at the next run too, which says so. */
function release(run: OrtBoundRun): void {
  run.dispose().catch(() => undefined);
}

/** Where an executable gets the memory of its masks and of late sums, and what fills them. */
export interface ExecutableMemory {
  readonly pool: MemoryPool;
  readonly maskWriter: MaskWriter;
  readonly maskMemory: MaskMemory;
}

/** A compiled graph: one session of ONNX Runtime, with one binding for each set of buffers it is run on. */
export class OnnxExecutable implements Executable {
  readonly graph: Graph;
  private readonly session: OrtSession;
  private readonly lowered: LoweredGraph;
  private readonly maskWriter: MaskWriter;
  private readonly maskMemory: MaskMemory;
  private readonly masks: readonly PlannedMask[];
  /** Memory of the outputs that only this executable reads. */
  private readonly ownOutputs: ReadonlyMap<Ref, MemoryBuffer>;
  /** Outputs that may lie where an input lies, both by their positions in the ONNX graph. */
  private readonly inPlace: ReadonlyMap<number, number>;
  private readonly bindings = new Map<string, OrtBoundRun>();
  private readonly onDispose: (executable: OnnxExecutable) => void;
  private maskGeneration = 0;
  private tail: Promise<unknown> = Promise.resolve();
  private disposed: Promise<void> | undefined;

  constructor(
    graph: Graph,
    lowered: LoweredGraph,
    session: OrtSession,
    memory: ExecutableMemory,
    onDispose: (executable: OnnxExecutable) => void,
  ) {
    this.graph = graph;
    this.lowered = lowered;
    this.session = session;
    this.onDispose = onDispose;
    this.maskWriter = memory.maskWriter;
    this.maskMemory = memory.maskMemory;
    this.masks = lowered.inputs.flatMap(({ origin }) => (origin.kind === "mask" ? [origin.mask] : []));
    const positions = new Map(
      lowered.inputs.flatMap(({ origin }, i) => (origin.kind === "input" ? [[origin.index, i] as const] : [])),
    );
    this.inPlace = new Map(
      [...inPlaceSums(graph)].flatMap(([output, input]) => {
        const position = positions.get(input);
        return position === undefined ? [] : [[output, position] as const];
      }),
    );
    const own = lowered.outputs.slice(graph.outputs.length);
    this.ownOutputs = new Map(
      own.map((ref) => [ref, memory.pool.allocate({ dtype: "f32", shape: ref.shape })] as const),
    );
    // Last: an executable that could not be made has not joined.
    this.maskMemory.join();
  }

  /** @throws {ShapeError} BUFFER_TYPE naming the graph's input or output whose buffer does not fit */
  async run(inputs: readonly Buffer[], outputs: readonly Buffer[]): Promise<void> {
    if (this.disposed !== undefined) {
      throw executableError(this.graph, "was disposed and is run again", "EXECUTABLE_DISPOSED");
    }
    const given = checkRun(this.graph, inputs, outputs);
    const turn = this.tail.then(() => this.execute(given.inputs, given.outputs));
    this.tail = turn.catch(() => undefined);
    return turn;
  }

  private async execute(inputs: readonly MemoryBuffer[], outputs: readonly MemoryBuffer[]): Promise<void> {
    if (this.masks.length === 0) {
      await this.bindingFor(inputs, outputs, []).run();
    } else {
      await this.maskMemory.use(this.masks, async ({ masks, generation }) => {
        this.forgetMoved(generation);
        await fillMasks(this.maskWriter, masks, (index) => inputs[index]!.view());
        await this.bindingFor(inputs, outputs, masks).run();
      });
    }
    for (const { output, ids, rows } of this.lowered.lateSums) {
      addRows(outputs[output]!, inputs[ids]!, this.ownOutputs.get(rows)!);
    }
  }

  /** Bindings name the places of masks: they are of no use when these have moved. */
  private forgetMoved(generation: number): void {
    if (generation === this.maskGeneration) return;
    this.maskGeneration = generation;
    for (const run of this.bindings.values()) release(run);
    this.bindings.clear();
  }

  private bindingFor(
    inputs: readonly MemoryBuffer[],
    outputs: readonly MemoryBuffer[],
    masks: readonly BoundMask[],
  ): OrtBoundRun {
    const key = `${inputs.map(idOf).join(",")};${outputs.map(idOf).join(",")}`;
    const known = this.bindings.get(key);
    if (known !== undefined) {
      this.bindings.delete(key);
      this.bindings.set(key, known);
      return known;
    }
    let nextMask = 0;
    const bound = this.session.bind(
      this.lowered.inputs.map(({ ref, origin }) =>
        regionOf(origin.kind === "input" ? inputs[origin.index]! : masks[nextMask++]!.buffer, ref),
      ),
      this.lowered.outputs.map((ref, i) => regionOf(outputs[i] ?? this.ownOutputs.get(ref)!, ref)),
      this.inPlace,
    );
    this.bindings.set(key, bound);
    for (const [oldest, run] of this.bindings) {
      if (this.bindings.size <= KEPT_BINDINGS) break;
      this.bindings.delete(oldest);
      release(run);
    }
    return bound;
  }

  /** Waits for the runs in flight, then gives everything back; repeating it does nothing. */
  dispose(): Promise<void> {
    this.disposed ??= this.release();
    return this.disposed;
  }

  private async release(): Promise<void> {
    await this.tail;
    await Promise.all([...this.bindings.values()].map((run) => run.dispose()));
    this.bindings.clear();
    await this.session.dispose();
    this.maskMemory.leave();
    for (const buffer of this.ownOutputs.values()) buffer.dispose();
    this.onDispose(this);
  }
}
