/**
 * @file An executor for tests of the XLA engine without any library: programs are graphs, which the interpreter runs.
 *
 * It is strict where libraries are lenient: an array that was freed or donated is refused, wherever it is used.
 */
import { setImmediate } from "node:timers/promises";
import { allocateTensor, copyFromHost, copyToHost, type Tensor } from "../../src/backend/host/storage.ts";
import { evaluate, requirePrimitives } from "../../src/backend/reference/evaluate.ts";
import type {
  DeviceArray,
  ExecutorFacts,
  Sharding,
  XlaExecutable,
  XlaExecutor,
  XlaProgram,
} from "../../src/backend/xla/executor.ts";
import type { LoweredModule, LowerToStableHlo } from "../../src/backend/xla/lower/module.ts";
import { XlaBackend } from "../../src/backend/xla/xla-backend.ts";
import { BackendError } from "../../src/base/errors.ts";
import type { DType, HostData, TensorType } from "../../src/ir/dtype.ts";
import type { Graph, NamedValue } from "../../src/ir/graph.ts";
import { formatType, sameType } from "../../src/ir/shape.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { decompose } from "../../src/tensor/decompose/decompose.ts";

function refuse(code: string, message: string): never {
  throw new BackendError(message, { code, path: "test executor" });
}

class TestArray implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sharding: Sharding;
  private tensor: Tensor | undefined;
  private reason = "";
  private readonly live: Set<TestArray>;
  /** Turns of the event loop that reading takes, so that others come between. */
  private readonly latency: number;

  constructor(tensor: Tensor, sharding: Sharding, live: Set<TestArray>, latency: number) {
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.sharding = sharding;
    this.tensor = tensor;
    this.live = live;
    this.latency = latency;
    live.add(this);
  }

  use(): Tensor {
    if (this.tensor !== undefined) return this.tensor;
    return refuse("ARRAY_GONE", `${formatType(this)} was ${this.reason} and is used again.`);
  }

  async read(): Promise<HostData> {
    this.use();
    for (let i = 0; i < this.latency; i++) await setImmediate();
    return copyToHost(this.use(), "f32");
  }

  end(reason: "freed" | "donated"): void {
    if (this.tensor === undefined) return;
    this.tensor = undefined;
    this.reason = reason;
    this.live.delete(this);
  }

  dispose(): void {
    this.end("freed");
  }
}

/** What the executor saw. */
export interface TestXla {
  readonly executor: XlaExecutor;
  readonly lower: LowerToStableHlo;
  /** The engine over it. */
  readonly backend: XlaBackend;
  /** Arrays that nobody has freed. */
  readonly live: ReadonlySet<DeviceArray>;
  /** What happened, in order: `compile <name>`, `run <name>`, `free <name>`, `upload <type>`, `dispose`. */
  readonly log: string[];
  /** Called in every run once its donated inputs are gone; may throw. */
  onRun: (name: string) => void;
  /** Called in every upload; may throw. */
  onUpload: (type: TensorType) => void;
}

/** Programs are told by their text, which is the number of a graph. */
function lowering(graphs: Map<string, Graph>): LowerToStableHlo {
  return (graph, { donations = new Map(), partitioning } = {}): LoweredModule => {
    const ready = decompose(graph);
    verifyGraph(ready);
    requirePrimitives(ready);
    const find = (values: readonly NamedValue[], name: string): number => {
      const found = values.findIndex((value) => value.name === name);
      return found < 0 ? refuse("DONATION_INVALID", `"${graph.name}" has no "${name}".`) : found;
    };
    const pairs = [...donations].map(([from, to]) => [find(graph.inputs, from), find(graph.outputs, to)] as const);
    for (const [from, to] of pairs) {
      const [given, taken] = [graph.inputs[from]!.value, graph.outputs[to]!.value];
      if (!sameType(given, taken)) refuse("DONATION_INVALID", `${formatType(given)} cannot hold ${formatType(taken)}.`);
    }
    const text = `graph ${graphs.size}`;
    graphs.set(text, ready);
    const shardings = (values: readonly NamedValue[], given?: ReadonlyMap<string, Sharding>) =>
      values.map(({ name }) => given?.get(name) ?? "replicated");
    return {
      name: graph.name,
      text,
      inputs: graph.inputs.map(({ value }) => value),
      outputs: graph.outputs.map(({ value }) => value),
      donated: pairs.map(([from]) => from),
      partitions: partitioning?.partitions ?? 1,
      inputShardings: shardings(graph.inputs, partitioning?.inputs),
      outputShardings: shardings(graph.outputs, partitioning?.outputs),
      inputNames: graph.inputs.map(({ name }) => name),
      outputNames: graph.outputs.map(({ name }) => name),
      attention: { fused: 0, exact: 0 },
    };
  };
}

export interface TestXlaOptions {
  /** Turns of the event loop that runs and reads take. */
  readonly latency?: number;
  readonly devices?: number;
  /** Where the engine copies runs of elements. */
  readonly copies?: "host" | "device";
}

export function testXla(options: TestXlaOptions = {}): TestXla {
  const { latency = 1, devices = 1, copies = "host" } = options;
  const graphs = new Map<string, Graph>();
  const live = new Set<TestArray>();
  const log: string[] = [];
  let isDisposed = false;
  const facts: ExecutorFacts = {
    library: "test",
    platform: "test",
    description: "interpreter behind the XLA engine",
    devices,
    deviceBytes: undefined,
    customCalls: new Set(),
  };

  function executable(program: XlaProgram, graph: Graph): XlaExecutable {
    let isFreed = false;
    return {
      memory: undefined,
      run: async (inputs) => {
        if (isFreed) refuse("EXECUTABLE_DISPOSED", `"${program.name}" was freed and is run again.`);
        if (inputs.length !== program.inputs.length)
          refuse("RUN_TYPES", `"${program.name}" is given ${inputs.length}.`);
        const arrays = inputs.map((input, i) => {
          if (!(input instanceof TestArray)) return refuse("RUN_TYPES", `input ${i} is of another executor.`);
          if (!sameType(input, program.inputs[i]!)) refuse("RUN_TYPES", `input ${i} is ${formatType(input)}.`);
          return input;
        });
        const tensors = arrays.map((array) => array.use());
        for (const index of program.donated) {
          const array = arrays[index]!;
          if (arrays.indexOf(array) !== arrays.lastIndexOf(array)) {
            refuse("DONATED_TWICE", `input ${index} is donated and given twice.`);
          }
          array.end("donated");
        }
        log.push(`run ${program.name}`);
        test.onRun(program.name);
        for (let i = 0; i < latency; i++) await setImmediate();
        return evaluate(graph, tensors, "f32").map((tensor, i) => {
          // A result may be an operand as it is: arrays are values, so it gets memory of its own.
          const own = { dtype: tensor.dtype, shape: tensor.shape, data: tensor.data.slice() };
          return new TestArray(own, program.outputShardings[i]!, live, latency);
        });
      },
      dispose: async () => {
        if (!isFreed) log.push(`free ${program.name}`);
        isFreed = true;
      },
    };
  }

  const executor: XlaExecutor = {
    facts,
    computeDtypes: ["f32", "bf16"],
    compile: async (program) => {
      if (isDisposed) refuse("ENGINE_DISPOSED", "the executor was disposed.");
      log.push(`compile ${program.name}`);
      return executable(program, graphs.get(program.text)!);
    },
    upload: (data, type, sharding = "replicated") => {
      if (isDisposed) refuse("ENGINE_DISPOSED", "the executor was disposed.");
      test.onUpload(type);
      log.push(`upload ${formatType(type)}`);
      const tensor = allocateTensor(type.dtype, type.shape, "f32");
      copyFromHost(tensor, data, "test executor", "f32");
      return new TestArray(tensor, sharding, live, latency);
    },
    dispose: async () => {
      isDisposed = true;
      log.push("dispose");
    },
  };
  const lower = lowering(graphs);
  const backend = new XlaBackend(executor, { lower, threads: 2, copies, probeProduct: { m: 16, n: 16, k: 16 } });
  const nothing = (): void => undefined;
  const test: TestXla = { executor, lower, backend, live, log, onRun: nothing, onUpload: nothing };
  return test;
}
