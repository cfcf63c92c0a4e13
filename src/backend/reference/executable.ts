import { setImmediate } from "node:timers/promises";
import { BackendError, ShapeError } from "../../base/errors.ts";
import type { Graph, NamedValue } from "../../ir/graph.ts";
import { formatType, sameType } from "../../ir/shape.ts";
import type { Buffer, Executable } from "../backend.ts";
import { requireOwn } from "./buffer.ts";
import { evaluate, requirePrimitives } from "./evaluate.ts";
import type { Precision, Tensor } from "./storage.ts";

/** Interprets its graph anew in every run. */
export class ReferenceExecutable implements Executable {
  readonly graph: Graph;
  private readonly precision: Precision;
  private last: Promise<void> = Promise.resolve();
  private disposed = false;

  /** @throws {BackendError} OP_NOT_SUPPORTED when a composite was not decomposed */
  constructor(graph: Graph, precision: Precision) {
    requirePrimitives(graph);
    this.graph = graph;
    this.precision = precision;
  }

  /**
   * Unlike other engines this one works on the event loop's own thread; the loop turns between runs.
   * @throws {ShapeError} RUN_TYPES naming the input or output that does not fit
   */
  async run(inputs: readonly Buffer[], outputs: readonly Buffer[]): Promise<void> {
    const operands = this.bind("input", this.graph.inputs, inputs);
    const targets = this.bind("output", this.graph.outputs, outputs);
    const turn = this.last.then(async () => {
      await setImmediate();
      this.requireUsable();
      const results = evaluate(this.graph, operands, this.precision);
      // An output may be the memory of an input: results that are such memory are taken aside before any is written.
      const given = new Set(operands.map(({ data }) => data));
      const kept = results.map(({ data }) => (given.has(data) ? data.slice() : data));
      targets.forEach(({ data }, i) => {
        data.set(kept[i]!);
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
