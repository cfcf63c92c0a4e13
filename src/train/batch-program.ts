import type { Backend, Buffer, Executable, FixedInputs, GraphMemory, Partitioning } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import { type Batch, batchSignature } from "../data/batch.ts";
import { dtypeBytes, type HostData, type TensorType } from "../ir/dtype.ts";
import type { Graph, NamedValue } from "../ir/graph.ts";
import { optimize } from "../ir/pass/optimize.ts";
import { sizeOf } from "../ir/shape.ts";
import { decompose } from "../tensor/decompose/decompose.ts";

/** Gives the buffer of an input or output that is not the program's own. */
type Place = (section: string) => Buffer;

interface Compiled {
  readonly executable: Executable;
  /** Buffers of inputs that are not parameters, by input name. */
  readonly inputs: ReadonlyMap<string, Buffer>;
  /** Buffers of outputs that are read back, by output name. */
  readonly outputs: ReadonlyMap<string, Buffer>;
  /** Where all inputs and outputs lie, in the graph's order: a step has hundreds, whose names are read once. */
  readonly places: { readonly inputs: readonly Place[]; readonly outputs: readonly Place[] };
}

export interface BatchProgramOptions {
  readonly backend: Backend;
  /** Where parameters lie, and their gradients. */
  readonly store: { buffer(section: string, name: string): Buffer };
  /** For a batch: parameters that never change while the program lives, and are worth laying out for it. */
  readonly fixed?: (batch: Batch) => FixedInputs | undefined;
  /** Buffers of the engine that are inputs called `held.<name>`, or inputs and outputs called `carried.<name>`, by that name. */
  readonly held?: ((name: string, type: TensorType) => Buffer) | undefined;
  /** How a graph lies on the engine's devices. */
  readonly partitioning?: ((graph: Graph) => Partitioning | undefined) | undefined;
  /**
   * Traces the graph for batches of one shape. Inputs are called `parameter.<name>`, `state.<section>.<name>`, `held.<name>`,
   * `carried.<name>`, `batch.<name>`, or are given at each run; outputs called `gradient.<name>` and `next.<section>.<name>`
   * go to the store, `carried.<name>` to that buffer, all others are read back.
   */
  readonly trace: (batch: Batch) => Graph;
}

/** What a program takes for batches of one shape. */
export interface ProgramMemory extends GraphMemory {
  /** Inputs and results. */
  readonly bufferBytes: number;
}

/** A run whose outputs are on their way. */
export interface StartedRun {
  /** The outputs that are read back, by name. */
  readonly results: Promise<Readonly<Record<string, HostData>>>;
}

/**
 * Where an input or output lies: `parameter.<name>` is a weight, `previous.<name>` what its gradient is added to,
 * `gradient.<name>` that sum, `state.<section>.<name>` and `next.<section>.<name>` are of any section, `held.<name>` and
 * `carried.<name>` are what the caller has.
 */
function placeOf({ store, held }: BatchProgramOptions, { name, value }: NamedValue): Place {
  const [kind, ...rest] = name.split(".") as [string, ...string[]];
  if (kind === "held" || kind === "carried") return () => held!(name, value);
  if (kind === "state" || kind === "next") {
    const [section, own] = [rest[0]!, rest.slice(1).join(".")];
    return () => store.buffer(section, own);
  }
  const own = rest.join(".");
  return kind === "parameter" ? () => store.buffer("value", own) : (section) => store.buffer(section, own);
}

/** Inputs and outputs that do not lie in the store. */
function notStored(values: readonly NamedValue[]): NamedValue[] {
  return values.filter(({ name }) => !/^(parameter|previous|gradient|held|state|next|carried)\./.test(name));
}

/** The name of the input whose memory an output overwrites. */
function overwritten(output: string): string {
  return output
    .replace(/^gradient\./, "previous.")
    .replace(/^next\.value\./, "parameter.")
    .replace(/^next\./, "state.");
}

/** Outputs by the inputs whose memory they take. */
function donationsOf({ inputs, outputs }: Graph): ReadonlyMap<string, string> {
  const known = new Set(inputs.map(({ name }) => name));
  const isStored = new Set(notStored(outputs).map(({ name }) => name));
  const pairs = outputs.map(({ name }): [string, string] => [overwritten(name), name]);
  return new Map(pairs.filter(([input, output]) => known.has(input) && !isStored.has(output)));
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
    const partitioning = this.options.partitioning?.(graph);
    const donations = backend.donates === true ? donationsOf(graph) : undefined;
    const allocated = (values: readonly NamedValue[], shardings: Partitioning["inputs"]): Map<string, Buffer> =>
      new Map(notStored(values).map(({ name, value }) => [name, backend.allocate(value, shardings?.get(name))]));
    const executable = await backend.compile(graph, { fixed: fixed?.(batch), lanes, lane, donations, partitioning });
    const inputs = allocated(graph.inputs, partitioning?.inputs);
    const outputs = allocated(graph.outputs, partitioning?.outputs);
    const placed = (values: readonly NamedValue[], own: ReadonlyMap<string, Buffer>): Place[] =>
      values.map((value) => {
        const buffer = own.get(value.name);
        return buffer === undefined ? placeOf(this.options, value) : () => buffer;
      });
    const places = {
      inputs: placed(executable.graph.inputs, inputs),
      outputs: placed(executable.graph.outputs, outputs),
    };
    return { executable, inputs, outputs, places };
  }

  /**
   * Gives the engine a batch.
   * @param given inputs that are neither parameters nor of the batch, by name
   * @param section where gradients go
   */
  async start(batch: Batch, given: Readonly<Record<string, HostData>> = {}, section = "gradient"): Promise<StartedRun> {
    const signature = batchSignature(batch);
    const pending = this.compiled.get(signature) ?? this.compile(batch);
    this.compiled.set(signature, pending);
    const { executable, inputs, outputs, places } = await pending;
    for (const [name, buffer] of inputs) {
      const data = name.startsWith("batch.") ? batch.tensors[name.slice("batch.".length)]?.data : given[name];
      if (data === undefined) throw internalError(`the graph's input "${name}" is not given`);
      buffer.write(data);
    }
    await executable.run(
      places.inputs.map((place) => place(section)),
      places.outputs.map((place) => place(section)),
    );
    // Asked for at once: where runs end before their results are there, the next one may overwrite the buffers.
    const reading = [...outputs].map(
      async ([name, buffer]): Promise<[string, HostData]> => [name, await buffer.read()],
    );
    const results = Promise.all(reading).then((read) => Object.fromEntries(read));
    // Told to whoever asks for them.
    results.catch(() => undefined);
    return { results };
  }

  /** Runs a batch, see `start`. @returns the outputs that are read back, by name */
  async run(
    batch: Batch,
    given: Readonly<Record<string, HostData>> = {},
    section = "gradient",
  ): Promise<Readonly<Record<string, HostData>>> {
    const { results } = await this.start(batch, given, section);
    return results;
  }

  /** Frees what was compiled; it is compiled again when needed. */
  async release(): Promise<void> {
    for (const [signature, pending] of this.compiled) {
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
