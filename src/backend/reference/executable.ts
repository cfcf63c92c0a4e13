import { setImmediate } from "node:timers/promises";
import { BackendError, ShapeError } from "../../base/errors.ts";
import type { Graph, NamedValue } from "../../ir/graph.ts";
import { formatType, sameType } from "../../ir/shape.ts";
import type { Buffer, Executable } from "../backend.ts";
import type { Precision, Tensor } from "../host/storage.ts";
import { requireOwn } from "./buffer.ts";
import { evaluate, requirePrimitives } from "./evaluate.ts";

/** Interprets its graph anew in every run. */
export class ReferenceExecutable implements Executable {
  readonly graph: Graph;
  private readonly precision: Precision;
  private last: Promise<void> = Promise.resolve();
  /** For each output the input whose memory it takes, by position. */
  private readonly taken: ReadonlyMap<number, number>;
  private disposed = false;

  /**
   * @param donations outputs by the names of the inputs whose memory they take
   * @throws {BackendError} OP_NOT_SUPPORTED when a composite was not decomposed
   */
  constructor(graph: Graph, precision: Precision, donations: ReadonlyMap<string, string> = new Map()) {
    requirePrimitives(graph);
    const position = (values: readonly NamedValue[], name: string) => values.findIndex((one) => one.name === name);
    this.taken = new Map(
      [...donations].map(([input, output]) => [position(graph.outputs, output), position(graph.inputs, input)]),
    );
    this.graph = graph;
    this.precision = precision;
  }

  /**
   * Unlike other engines this one works on the event loop's own thread; the loop turns between runs.
   * @throws {ShapeError} RUN_TYPES naming the input or output that does not fit
   * @throws {BackendError} REGION_OVERLAP when an output is also an input or another output
   */
  async run(inputs: readonly Buffer[], outputs: readonly Buffer[]): Promise<void> {
    const operands = this.bind("input", this.graph.inputs, inputs);
    const targets = this.bind("output", this.graph.outputs, outputs);
    this.requireApart(operands, targets);
    const turn = this.last.then(async () => {
      await setImmediate();
      this.requireUsable();
      const results = evaluate(this.graph, operands, this.precision);
      // A result may be the memory of an input, moved only: written once another output has taken that input's place.
      const taken = this.taken.size === 0 ? results : results.map((result) => ({ data: result.data.slice() }));
      targets.forEach(({ data }, i) => {
        data.set(taken[i]!.data);
      });
    });
    this.last = turn.catch(() => undefined);
    await turn;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    await this.last;
  }

  private requireUsable(): void {
    if (!this.disposed) return;
    const facts = { code: "EXECUTABLE_DISPOSED", path: `graph "${this.graph.name}"` };
    throw new BackendError("the executable was disposed and is run again.", facts);
  }

  /** Other engines write outputs while they still read inputs; here it must not work either. */
  private requireApart(operands: readonly Tensor[], targets: readonly Tensor[]): void {
    targets.forEach(({ data }, i) => {
      const given = this.taken.get(i);
      const isRead = operands.some((operand, at) => operand.data === data && at !== given);
      if (data.length > 0 && (isRead || targets.findIndex((other) => other.data === data) < i)) {
        const { name } = this.graph.outputs[i]!;
        const facts = { code: "REGION_OVERLAP", path: `graph "${this.graph.name}"` };
        throw new BackendError(`output "${name}" shares its memory with another buffer. Bind them apart.`, facts);
      }
    });
  }

  private bind(kind: "input" | "output", expected: readonly NamedValue[], buffers: readonly Buffer[]): Tensor[] {
    this.requireUsable();
    const where = `graph "${this.graph.name}"`;
    if (buffers.length !== expected.length) {
      const message = `takes ${expected.length} ${kind} buffers; got ${buffers.length}.`;
      throw new ShapeError(message, { code: "RUN_TYPES", path: where });
    }
    return expected.map(({ name, value }, i) => {
      const buffer = requireOwn(buffers[i]!, `${where}, ${kind} "${name}"`);
      if (sameType(buffer, value)) return buffer.use();
      throw new ShapeError(`${kind} "${name}" must be ${formatType(value)}; got ${formatType(buffer)}.`, {
        code: "RUN_TYPES",
        path: where,
        details: { kind, name, expected: formatType(value), given: formatType(buffer) },
      });
    });
  }
}
