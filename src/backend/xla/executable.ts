import { BackendError, internalError, ShapeError } from "../../base/errors.ts";
import type { Graph, NamedValue } from "../../ir/graph.ts";
import { formatType, sameType } from "../../ir/shape.ts";
import type { Buffer, Executable } from "../backend.ts";
import { requireOwn, XlaBuffer } from "./buffer.ts";
import { Content } from "./content.ts";
import type { DeviceArray, Sharding, XlaExecutor } from "./executor.ts";
import type { CachedProgram } from "./program-cache.ts";

const sameSharding = (a: Sharding, b: Sharding): boolean =>
  a === b || (typeof a === "object" && typeof b === "object" && a.axis === b.axis);

const describeSharding = (sharding: Sharding): string =>
  sharding === "replicated" ? "replicated" : `cut along axis ${sharding.axis}`;

function checkSide(
  graph: Graph,
  side: "input" | "output",
  expected: readonly NamedValue[],
  buffers: readonly Buffer[],
  shardings: readonly Sharding[],
): XlaBuffer[] {
  const where = `executable "${graph.name}"`;
  if (buffers.length !== expected.length) {
    throw new ShapeError(`takes ${expected.length} ${side} buffers; got ${buffers.length}.`, {
      code: "BUFFER_COUNT",
      path: where,
    });
  }
  return expected.map(({ name, value }, i) => {
    const path = (): string => `${where}, ${side} "${name}"`;
    const given = buffers[i]!;
    const buffer = given instanceof XlaBuffer ? given : requireOwn(given, path());
    if (!sameType(value, buffer)) {
      throw new ShapeError(
        `the graph has ${formatType(value)}, the buffer ${formatType(buffer)}. Pass a buffer of the graph's type.`,
        { code: "BUFFER_TYPE", path: path() },
      );
    }
    const sharding = shardings[i] ?? "replicated";
    if (!sameSharding(sharding, buffer.sharding)) {
      const message = `the graph has it ${describeSharding(sharding)}, the buffer is ${describeSharding(buffer.sharding)}.`;
      throw new ShapeError(`${message} Allocate the buffer as the graph is compiled.`, {
        code: "BUFFER_SHARDING",
        path: path(),
      });
    }
    return buffer;
  });
}

/** A compiled graph: takes the arrays that its inputs hold when its turn comes, and gives its outputs new ones. */
export class XlaExecutable implements Executable {
  readonly graph: Graph;
  private readonly executor: XlaExecutor;
  private readonly cached: CachedProgram;
  /** By position of a donated input, that of the output. */
  private readonly donated: ReadonlyMap<number, number>;
  /** By position of an output, that of the input whose memory it takes. */
  private readonly donors: ReadonlyMap<number, number>;
  private readonly onDispose: (executable: XlaExecutable) => void;
  private tail: Promise<unknown> = Promise.resolve();
  private disposed: Promise<void> | undefined;

  /** @param donations names of outputs by those of the inputs whose memory they take */
  constructor(
    executor: XlaExecutor,
    graph: Graph,
    cached: CachedProgram,
    donations: ReadonlyMap<string, string>,
    onDispose: (executable: XlaExecutable) => void,
  ) {
    this.graph = graph;
    this.executor = executor;
    this.cached = cached;
    this.onDispose = onDispose;
    const position = (values: readonly NamedValue[], name: string): number => {
      const found = values.findIndex((value) => value.name === name);
      if (found < 0) throw internalError(`"${graph.name}" has no "${name}" to donate`);
      return found;
    };
    this.donated = new Map(
      [...donations].map(([input, output]) => [position(graph.inputs, input), position(graph.outputs, output)]),
    );
    this.donors = new Map([...this.donated].map(([input, output]) => [output, input]));
  }

  /** What a run takes in memory, where the library tells. */
  get memory(): CachedProgram["executable"]["memory"] {
    return this.cached.executable.memory;
  }

  /** How many attentions became fused kernels, and how many are written out. */
  get attention(): CachedProgram["module"]["attention"] {
    return this.cached.module.attention;
  }

  /**
   * @throws {ShapeError} BUFFER_COUNT, BUFFER_TYPE, BUFFER_SHARDING naming the graph's input or output
   * @throws {BackendError} REGION_OVERLAP, BUFFER_FOREIGN, BUFFER_DISPOSED, BUFFER_LOST; OUT_OF_MEMORY, XLA_RUN_FAILED
   */
  async run(inputs: readonly Buffer[], outputs: readonly Buffer[]): Promise<void> {
    this.requireUsable();
    const { inputShardings, outputShardings } = this.cached.module;
    const sources = checkSide(this.graph, "input", this.graph.inputs, inputs, inputShardings);
    const targets = checkSide(this.graph, "output", this.graph.outputs, outputs, outputShardings);
    this.requireApart(sources, targets);
    const turn = this.tail.then(() => this.execute(sources, targets));
    this.tail = turn.catch(() => undefined);
    return turn;
  }

  private requireUsable(): void {
    if (this.disposed === undefined) return;
    const facts = { code: "EXECUTABLE_DISPOSED", path: `executable "${this.graph.name}"` };
    throw new BackendError("was disposed and is run again.", facts);
  }

  /** An output is an input only where that was donated to it; a donated input is no other input. */
  private requireApart(sources: readonly XlaBuffer[], targets: readonly XlaBuffer[]): void {
    const facts = { code: "REGION_OVERLAP", path: `executable "${this.graph.name}"` };
    const given = new Map<XlaBuffer, number>();
    sources.forEach((buffer, i) => {
      const other = given.get(buffer);
      if (other !== undefined && (this.donated.has(i) || this.donated.has(other))) {
        const { name } = this.graph.inputs[this.donated.has(i) ? i : other]!;
        const message = `input "${name}" gives its memory away and is given twice. Bind another buffer.`;
        throw new BackendError(message, facts);
      }
      given.set(buffer, i);
    });
    const written = new Set<XlaBuffer>();
    targets.forEach((buffer, i) => {
      const donor = this.donors.get(i);
      const isApart = donor === undefined ? !given.has(buffer) : sources[donor] === buffer;
      if (isApart && !written.has(buffer)) {
        written.add(buffer);
        return;
      }
      const { name } = this.graph.outputs[i]!;
      if (donor !== undefined) {
        const from = this.graph.inputs[donor]!.name;
        throw new BackendError(`output "${name}" takes the memory of input "${from}". Bind one buffer as both.`, facts);
      }
      throw new BackendError(`output "${name}" shares its memory with another buffer. Bind them apart.`, facts);
    });
  }

  private async execute(sources: readonly XlaBuffer[], targets: readonly XlaBuffer[]): Promise<void> {
    const held: Content[] = [];
    let isStarted = false;
    try {
      // Held before anything is taken: one that cannot be used leaves all as they are.
      for (const source of sources) held.push(source.hold());
      sources.forEach((source, i) => {
        if (this.donated.has(i)) source.take();
      });
      for (const i of this.donated.keys()) {
        const content = held[i]!;
        content.release();
        if (!content.isSole) await content.whenSole();
      }
      const arrays: DeviceArray[] = [];
      for (const content of held) arrays.push(content.present ?? (await content.array()));
      isStarted = true;
      const results = await this.cached.executable.run(arrays);
      targets.forEach((target, i) => {
        const { dtype, shape, sharding } = target;
        target.replace(new Content(this.executor, { dtype, shape, sharding }, results[i]!));
      });
    } catch (error) {
      // A run that never began has taken nothing.
      if (!isStarted)
        for (const i of this.donated.keys()) if (held[i] !== undefined) sources[i]!.replace(held[i].hold());
      throw error;
    } finally {
      for (const content of held) content.release();
    }
  }

  /** Waits for the runs in flight, then gives everything back; repeating it does nothing. */
  dispose(): Promise<void> {
    this.disposed ??= this.release();
    return this.disposed;
  }

  private async release(): Promise<void> {
    await this.tail;
    this.onDispose(this);
    await this.cached.release();
  }
}
