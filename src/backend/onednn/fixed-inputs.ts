import { BackendError } from "../../base/errors.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Buffer, FixedInputs } from "../backend.ts";
import { MemoryBuffer } from "../wasm/memory.ts";
import type { EngineThread, FixedProgramInputs } from "./thread.ts";

let nextSet = 1;
/** In f32 the kernels' own copies of a run cost little where many places share the reading of all weights. */
const FEW_PLACES = 256;

/** Fixed inputs whose matrices each engine thread keeps a copy of, laid out for its kernels. */
export class OneDnnFixedInputs implements FixedInputs {
  readonly buffers: ReadonlyMap<string, MemoryBuffer>;
  readonly maxPlaces: number;
  private readonly set = nextSet++;
  private readonly threads = new Set<EngineThread>();

  /** @throws {BackendError} BUFFER_FOREIGN */
  constructor(buffers: ReadonlyMap<string, Buffer>) {
    const own = new Map<string, MemoryBuffer>();
    for (const [name, buffer] of buffers) {
      if (!(buffer instanceof MemoryBuffer)) {
        throw new BackendError(`"${name}" belongs to another engine.`, { code: "BUFFER_FOREIGN", path: "onednn.fix" });
      }
      own.set(name, buffer);
    }
    this.buffers = own;
    // Pairs of bf16 numbers are woven together, which costs an eighth of a step of thousands of places, too.
    const isHalf = [...own.values()].some(({ dtype }) => dtype === "bf16");
    this.maxPlaces = isHalf ? Number.POSITIVE_INFINITY : FEW_PLACES;
  }

  /** Which of a graph's inputs never change, for a thread that is to compile it. */
  of(graph: Graph, thread: EngineThread): FixedProgramInputs {
    this.threads.add(thread);
    const regions = graph.inputs.flatMap(({ name }, index) => {
      const buffer = this.buffers.get(name);
      return buffer === undefined ? [] : [[index, buffer.region] as const];
    });
    return { set: this.set, regions: new Map(regions) };
  }

  dispose(): void {
    for (const thread of this.threads) thread.unfix(this.set);
    this.threads.clear();
  }
}
