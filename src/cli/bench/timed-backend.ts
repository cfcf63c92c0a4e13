/** @file An engine that keeps a clock of its own work, so that what a step spends outside of it can be told. */
import type { Backend } from "../../backend/backend.ts";

/** Milliseconds that an engine was at work: runs of graphs and of sweeps. Compiling and copying are not counted. */
export class EngineClock {
  private total = 0;
  private numRunning = 0;
  private began = 0;

  get milliseconds(): number {
    return this.total;
  }

  /** Counts the time until a piece of work ends; pieces that overlap count once. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.numRunning++ === 0) this.began = performance.now();
    try {
      return await work();
    } finally {
      if (--this.numRunning === 0) this.total += performance.now() - this.began;
    }
  }
}

/** The same engine with its runs clocked. Buffers and stores are the engine's own. */
export function timedBackend(backend: Backend, clock: EngineClock): Backend {
  return {
    name: backend.name,
    computeDtypes: backend.computeDtypes,
    ...(backend.addsInPlace === undefined ? {} : { addsInPlace: backend.addsInPlace }),
    ...(backend.donates === undefined ? {} : { donates: backend.donates }),
    ...(backend.wholeSteps === undefined ? {} : { wholeSteps: backend.wholeSteps }),
    ...(backend.devices === undefined ? {} : { devices: backend.devices }),
    fuses: (node) => backend.fuses(node),
    ...(backend.maxLanes === undefined ? {} : { maxLanes: backend.maxLanes }),
    compile: async (graph, compileOptions) => {
      const executable = await backend.compile(graph, compileOptions);
      return {
        graph: executable.graph,
        run: (inputs, outputs) => clock.during(() => executable.run(inputs, outputs)),
        dispose: () => executable.dispose(),
      };
    },
    ...(backend.memoryOf === undefined ? {} : { memoryOf: (graph) => backend.memoryOf!(graph) }),
    allocate: (type, sharding) => backend.allocate(type, sharding),
    createStore: (types, sections, shardingOf) => backend.createStore(types, sections, shardingOf),
    compileSweep: async (program) => {
      const sweep = await backend.compileSweep(program);
      return {
        run: (store, ranges) => clock.during(() => sweep.run(store, ranges)),
        runEach: (store, ranges) => clock.during(() => sweep.runEach(store, ranges)),
        dispose: () => sweep.dispose(),
      };
    },
    probe: (dtype) => backend.probe(dtype),
    dispose: () => backend.dispose(),
  };
}
