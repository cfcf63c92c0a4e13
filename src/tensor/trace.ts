import { internalError } from "../base/errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import type { TensorType } from "../ir/dtype.ts";
import type { Graph, NamedValue, OpName, OpParams } from "../ir/graph.ts";
import { located } from "../ir/source.ts";
import { Tensor } from "./tensor.ts";

/** Builders of the traces in progress, innermost last. Tracing is synchronous, so this never outlives a call. */
const active: GraphBuilder[] = [];

/** The builder that operations are added to. */
export function currentBuilder(): GraphBuilder {
  const builder = active[active.length - 1];
  if (builder === undefined) {
    throw internalError("tensor operations work only inside trace(); wrap the computation in it");
  }
  return builder;
}

/** Runs a function with operations going to the given builder. */
export function withBuilder<T>(builder: GraphBuilder, run: () => T): T {
  active.push(builder);
  try {
    return run();
  } finally {
    active.pop();
  }
}

/** Adds one operation to the graph being traced and gives all its results. */
export function emit<P extends OpName>(op: P, inputs: readonly Tensor[], params: OpParams[P]): Tensor[] {
  return currentBuilder()
    .emit(
      op,
      inputs.map((tensor) => tensor.value),
      params,
    )
    .map((value) => new Tensor(value));
}

/** Adds one operation and gives its only (or first) result. */
export function emitOne<P extends OpName>(op: P, inputs: readonly Tensor[], params: OpParams[P]): Tensor {
  return emit(op, inputs, params)[0]!;
}

export type Tensors = Readonly<Record<string, Tensor>>;
export type TensorTypes = Readonly<Record<string, TensorType>>;

/**
 * Runs a function of symbolic tensors once and returns what it did as a graph.
 *
 * @param name for printing and errors
 * @param inputs types of the graph's inputs, in order
 * @param run gives the graph's outputs by name; JavaScript control flow in it happens now, not when the graph runs
 * @throws {ShapeError} naming the line in `run` where operands did not fit
 * @example
 * const graph = trace("double", { x: tensorType("f32", [2, 3]) }, ({ x }) => ({ y: add(x, x) }));
 */
export function trace<I extends TensorTypes>(
  name: string,
  inputs: I,
  run: (inputs: { readonly [K in keyof I]: Tensor }) => Tensors,
): Graph {
  const builder = new GraphBuilder(name);
  const symbols = Object.fromEntries(
    Object.entries(inputs).map(([key, type]) => [key, new Tensor(builder.input(key, type.dtype, type.shape))]),
  ) as { [K in keyof I]: Tensor };
  try {
    return withBuilder(builder, () => builder.finish(namedValues(run(symbols))));
  } catch (error) {
    // Functions that refuse operands before they add a node do not know the caller's line.
    throw located(error);
  }
}

/** A traced function inside the current trace: its graph, and the outer tensors it uses beside its arguments. */
export interface Closure {
  readonly graph: Graph;
  readonly captured: readonly Tensor[];
}

/** Traces a function whose graph may use tensors of the enclosing trace; those become its last inputs. */
export function traceClosure(
  name: string,
  inputs: readonly TensorType[],
  run: (inputs: readonly Tensor[]) => readonly Tensor[],
): Closure {
  const builder = new GraphBuilder(name, currentBuilder());
  const symbols = inputs.map((type, i) => new Tensor(builder.input(`${i}`, type.dtype, type.shape)));
  const graph = withBuilder(builder, () =>
    builder.finish(run(symbols).map(({ value }, i) => ({ name: `${i}`, value }))),
  );
  return { graph, captured: builder.captured().map(({ outer }) => new Tensor(outer)) };
}

function namedValues(tensors: Tensors): NamedValue[] {
  return Object.entries(tensors).map(([name, tensor]) => ({ name, value: tensor.value }));
}
