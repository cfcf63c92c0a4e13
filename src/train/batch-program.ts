import type { Backend, Buffer, Executable, FixedInputs } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import { type Batch, batchSignature } from "../data/batch.ts";
import type { HostData } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { optimize } from "../ir/pass/optimize.ts";
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
  /**
   * Traces the graph for batches of one shape. Inputs are called `parameter.<name>`, `batch.<name>`, or are
   * given at each run; outputs called `gradient.<name>` go to the store, all others are read back.
   */
  readonly trace: (batch: Batch) => Graph;
}

/** A computation over batches of any shape: a graph is compiled when a shape is first seen, then kept. */
export class BatchProgram {
  private readonly options: BatchProgramOptions;
  private readonly compiled = new Map<string, Promise<Compiled>>();

  constructor(options: BatchProgramOptions) {
    this.options = options;
  }

  private async compile(batch: Batch): Promise<Compiled> {
    const { backend, trace, fixed } = this.options;
    const graph = optimize(decompose(trace(batch), (node) => backend.fuses(node)));
    const own = <T extends { readonly name: string }>(items: readonly T[], prefix: string) =>
      items.filter(({ name }) => !name.startsWith(prefix));
    return {
      executable: await backend.compile(graph, fixed?.(batch)),
      inputs: new Map(own(graph.inputs, "parameter.").map(({ name, value }) => [name, backend.allocate(value)])),
      outputs: new Map(own(graph.outputs, "gradient.").map(({ name, value }) => [name, backend.allocate(value)])),
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
      graph.inputs.map(({ name }) => inputs.get(name) ?? store.buffer("value", name.slice("parameter.".length))),
      graph.outputs.map(({ name }) => outputs.get(name) ?? store.buffer(section, name.slice("gradient.".length))),
    );
    const results: Record<string, HostData> = {};
    for (const [name, buffer] of outputs) results[name] = await buffer.read();
    return results;
  }

  async dispose(): Promise<void> {
    for (const pending of this.compiled.values()) {
      const { executable, inputs, outputs } = await pending;
      await executable.dispose();
      for (const buffer of [...inputs.values(), ...outputs.values()]) buffer.dispose();
    }
    this.compiled.clear();
  }
}
