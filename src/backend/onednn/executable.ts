import type { Graph } from "../../ir/graph.ts";
import type { Buffer, Executable } from "../backend.ts";
import { fillMasks } from "../wasm/mask-filler.ts";
import type { MaskMemory } from "../wasm/mask-memory.ts";
import type { PlannedMask } from "../wasm/mask-plan.ts";
import type { MemoryBuffer } from "../wasm/memory.ts";
import type { MaskWriter } from "../wasm/random-mask.ts";
import { checkRun, executableError, requireApart } from "../wasm/run-buffers.ts";
import type { LoweredGraph } from "./lower/lower-graph.ts";
import type { CompiledProgram, EngineThread } from "./thread.ts";

/** What an executable shares with its engine. */
export interface ExecutableSurroundings {
  readonly thread: EngineThread;
  readonly maskMemory: MaskMemory;
  readonly maskWriter: MaskWriter;
}

/** A compiled graph: one program in the engine thread. */
export class OneDnnExecutable implements Executable {
  readonly graph: Graph;
  readonly program: CompiledProgram;
  private readonly surroundings: ExecutableSurroundings;
  private readonly masks: readonly PlannedMask[];
  private readonly onDispose: (executable: OneDnnExecutable) => void;
  private tail: Promise<unknown> = Promise.resolve();
  private disposed: Promise<void> | undefined;

  constructor(
    graph: Graph,
    lowered: LoweredGraph,
    program: CompiledProgram,
    surroundings: ExecutableSurroundings,
    onDispose: (executable: OneDnnExecutable) => void,
  ) {
    this.graph = graph;
    this.program = program;
    this.surroundings = surroundings;
    this.onDispose = onDispose;
    this.masks = lowered.masks;
    surroundings.maskMemory.join();
  }

  /** @throws {ShapeError} BUFFER_TYPE naming the graph's input or output whose buffer does not fit */
  async run(inputs: readonly Buffer[], outputs: readonly Buffer[]): Promise<void> {
    if (this.disposed !== undefined) {
      throw executableError(this.graph, "was disposed and is run again", "EXECUTABLE_DISPOSED");
    }
    const given = checkRun(this.graph, inputs, outputs);
    requireApart(this.graph, given.inputs, given.outputs);
    const turn = this.tail.then(() => this.execute(given.inputs, given.outputs));
    this.tail = turn.catch(() => undefined);
    return turn;
  }

  private async execute(inputs: readonly MemoryBuffer[], outputs: readonly MemoryBuffer[]): Promise<void> {
    const { thread, maskMemory, maskWriter } = this.surroundings;
    const regions = (buffers: readonly MemoryBuffer[]) => buffers.map(({ region }) => region);
    if (this.masks.length === 0) {
      await thread.run(this.program, regions(inputs), regions(outputs));
      return;
    }
    await maskMemory.use(this.masks, async ({ masks }) => {
      await fillMasks(maskWriter, masks, (index) => inputs[index]!.view());
      const filled = masks.map(({ buffer }) => buffer);
      await thread.run(this.program, regions([...inputs, ...filled]), regions(outputs));
    });
  }

  /** Waits for the runs in flight, then gives everything back; repeating it does nothing. */
  dispose(): Promise<void> {
    this.disposed ??= this.release();
    return this.disposed;
  }

  private async release(): Promise<void> {
    await this.tail;
    await this.surroundings.thread.release(this.program);
    this.surroundings.maskMemory.leave();
    this.onDispose(this);
  }
}
