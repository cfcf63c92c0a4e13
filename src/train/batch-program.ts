import type { Backend, Buffer, Executable, FixedInputs, GraphMemory } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import { type Batch, batchSignature } from "../data/batch.ts";
import { dtypeBytes, type HostData } from "../ir/dtype.ts";
import type { Graph, NamedValue } from "../ir/graph.ts";
import { optimize } from "../ir/pass/optimize.ts";
import { sizeOf } from "../ir/shape.ts";
import { decompose } from "../tensor/decompose/decompose.ts";

interface Compiled {
  readonly executable: Executable;
  /** Buffers of inputs that are not parameters, by input name. */
  readonly inputs: ReadonlyMap<string, Buffer>;
  /** Buffers of outputs that are read back, by output name. */
  readonly outputs: ReadonlyMap<string, Buffer>;
}

export interface BatchProgramOptions {
  readonly backend: Backend;
  /** Where parameters lie, and their gradients. */
  readonly store: { buffer(section: string, name: string): Buffer };
  /** For a batch: parameters that never change while the program lives, and are worth laying out for it. */
  readonly fixed?: (batch: Batch) => FixedInputs | undefined;
  /** Buffers of the engine that are inputs called `held.<name>`, by that name. */
  readonly held?: ((name: string) => Buffer) | undefined;
  /**
   * Traces the graph for batches of one shape. Inputs are called `parameter.<name>`, `held.<name>`, `batch.<name>`, or are
   * given at each run; outputs called `gradient.<name>` go to the store, all others are read back.
   */
  readonly trace: (batch: Batch) => Graph;
}

/** What a program takes for batches of one shape. */
export interface ProgramMemory extends GraphMemory {
  /** Inputs and results. */
  readonly bufferBytes: number;
}

/** `parameter.<name>` is a weight, `previous.<name>` what its gradient is added to, `held.<name>` what the caller has. */
function storedInput({ store, held }: BatchProgramOptions, name: string, section: string): Buffer {
  const at = name.indexOf(".");
  if (name.startsWith("held.")) return held!(name.slice(at + 1));
  return store.buffer(name.slice(0, at) === "parameter" ? "value" : section, name.slice(at + 1));
}

/** Inputs and outputs that do not lie in the store. */
function notStored(values: readonly NamedValue[]): NamedValue[] {
  return values.filter(({ name }) => !/^(parameter|previous|gradient|held)\./.test(name));
}

/** A computation over batches of any shape: a graph is compiled when a shape is first seen, then kept. */
export class BatchProgram {
  private readonly options: BatchProgramOptions;
  private readonly graphs = new Map<string, Graph>();
  private readonly compiled = new Map<string, Promise<Compiled>>();

  constructor(options: BatchProgramOptions) {
    this.options = options;
  }

  /** The graph for batches of one shape, as the engine gets it; traced when first asked for. */
  graphFor(batch: Batch): Graph {
    const signature = batchSignature(batch);
    const { backend, trace } = this.options;
    const graph = this.graphs.get(signature) ?? optimize(decompose(trace(batch), (node) => backend.fuses(node)));
    this.graphs.set(signature, graph);
    return graph;
  }

  /** What batches of this shape will take beside the store; undefined when the engine cannot tell. */
  memoryFor(batch: Batch): ProgramMemory | undefined {
    const graph = this.graphFor(batch);
    const memory = this.options.backend.memoryOf?.(graph);
    if (memory === undefined) return undefined;
    const buffers = [...notStored(graph.inputs), ...notStored(graph.outputs)];
    const bufferBytes = buffers.reduce((sum, { value }) => sum + sizeOf(value.shape) * dtypeBytes[value.dtype], 0);
    return { ...memory, bufferBytes };
  }

  private async compile(batch: Batch): Promise<Compiled> {
    const { backend, fixed } = this.options;
    const graph = this.graphFor(batch);
    const { lanes, lane } = batch.part ?? {};
    return {
      executable: await backend.compile(graph, { fixed: fixed?.(batch), lanes, lane }),
      inputs: new Map(notStored(graph.inputs).map(({ name, value }) => [name, backend.allocate(value)])),
      outputs: new Map(notStored(graph.outputs).map(({ name, value }) => [name, backend.allocate(value)])),
    };
  }

  /**
   * Runs a batch.
   * @param given inputs that are neither parameters nor of the batch, by name
   * @param section where gradients go
   * @returns the outputs that are read back, by name
   */
  async run(
    batch: Batch,
    given: Readonly<Record<string, HostData>> = {},
    section = "gradient",
  ): Promise<Readonly<Record<string, HostData>>> {
    const { store } = this.options;
    const signature = batchSignature(batch);
    const pending = this.compiled.get(signature) ?? this.compile(batch);
    this.compiled.set(signature, pending);
    const { executable, inputs, outputs } = await pending;
    for (const [name, buffer] of inputs) {
      const data = name.startsWith("batch.") ? batch.tensors[name.slice("batch.".length)]?.data : given[name];
      if (data === undefined) throw internalError(`the graph's input "${name}" is not given`);
      buffer.write(data);
    }
    const { graph } = executable;
    await executable.run(
      graph.inputs.map(({ name }) => inputs.get(name) ?? storedInput(this.options, name, section)),
      graph.outputs.map(({ name }) => outputs.get(name) ?? store.buffer(section, name.slice("gradient.".length))),
    );
    const results: Record<string, HostData> = {};
    for (const [name, buffer] of outputs) results[name] = await buffer.read();
    return results;
  }

  /** Frees what was compiled, for all batches or for those that are not kept; it is compiled again when needed. */
  async release(isKept: (signature: string) => boolean = () => false): Promise<void> {
    for (const [signature, pending] of this.compiled) {
      if (isKept(signature)) continue;
      this.compiled.delete(signature);
      // What failed to compile was told to the run that asked for it.
      const compiled = await pending.catch(() => undefined);
      if (compiled === undefined) continue;
      const { executable, inputs, outputs } = compiled;
      await executable.dispose();
      for (const buffer of [...inputs.values(), ...outputs.values()]) buffer.dispose();
    }
  }

  async dispose(): Promise<void> {
    await this.release();
  }
}
