import { internalError } from "../base/errors.ts";
import type { DType, TensorType } from "./dtype.ts";
import type { Graph, NamedValue, Node, NodeOf, OpName, OpParams, Value } from "./graph.ts";
import { inferTypes } from "./op.ts";
import { type Shape, tensorType } from "./shape.ts";
import { located, SourceMark } from "./source.ts";

let nextId = 0;

function newValue(type: TensorType): Value {
  return Object.freeze({ id: nextId++, dtype: type.dtype, shape: type.shape });
}

interface MutableNode {
  readonly op: OpName;
  params: unknown;
  readonly inputs: readonly Value[];
  outputs: Value[];
  readonly source: string | undefined;
}

/** Collects nodes in order; every emitted node is checked by its shape rule at once. */
export class GraphBuilder {
  readonly name: string;
  readonly parent: GraphBuilder | undefined;
  readonly inputs: NamedValue[] = [];
  readonly nodes: Node[] = [];
  private readonly producers = new Map<Value, Node | undefined>();
  private readonly captures = new Map<Value, Value>();

  /** @param parent the builder whose values this graph may use; they become extra inputs, see `captured` */
  constructor(name: string, parent?: GraphBuilder) {
    this.name = name;
    this.parent = parent;
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value = newValue(tensorType(dtype, shape));
    this.inputs.push({ name, value });
    this.producers.set(value, undefined);
    return value;
  }

  /**
   * Adds a node and gives its results.
   * @param origin the node this one stands for; its source line is kept
   * @throws {ShapeError} with the line that traced it
   */
  emit<P extends OpName>(
    op: P,
    inputs: readonly Value[],
    params: OpParams[P],
    origin?: { readonly source: string | undefined },
  ): Value[] {
    const mark = origin === undefined ? new SourceMark() : undefined;
    const local = inputs.map((value) => this.adopt(value));
    let types: TensorType[];
    try {
      types = inferTypes(op, local, params);
    } catch (error) {
      throw located(error, mark === undefined ? origin?.source : mark.format());
    }
    const outputs = types.map(newValue);
    const node = {
      op,
      params,
      inputs: local,
      outputs,
      get source() {
        return mark === undefined ? origin?.source : mark.format();
      },
    } as NodeOf<P> as Node;
    this.nodes.push(node);
    for (const value of outputs) this.producers.set(value, node);
    return outputs;
  }

  /** Whether the value was made here (as an input or a node's result). */
  owns(value: Value): boolean {
    return this.producers.has(value);
  }

  /** The node that made a value; undefined for inputs. */
  producer(value: Value): Node | undefined {
    return this.producers.get(value);
  }

  /** Values of enclosing builders used here, each with the input that stands for it, in order of first use. */
  captured(): { readonly outer: Value; readonly inner: Value }[] {
    return [...this.captures].map(([outer, inner]) => ({ outer, inner }));
  }

  /** The local stand-in of a value: itself, or an extra input for a value of an enclosing builder. */
  adopt(value: Value): Value {
    if (this.producers.has(value)) return value;
    const known = this.captures.get(value);
    if (known !== undefined) return known;
    if (this.parent === undefined || !this.parent.reaches(value)) {
      throw internalError(`a value of another trace is used in "${this.name}"`);
    }
    const inner = newValue(value);
    this.producers.set(inner, undefined);
    this.captures.set(value, inner);
    return inner;
  }

  private reaches(value: Value): boolean {
    return this.producers.has(value) || (this.parent?.reaches(value) ?? false);
  }

  /**
   * Gives a scan of this builder a body with further stacked outputs and returns their values.
   * Only differentiation uses this: what the backward pass needs is saved by the forward pass.
   */
  extendScan(node: Node, body: Graph, newTypes: readonly TensorType[]): Value[] {
    if (node.op !== "scan" || !this.nodes.includes(node)) throw internalError("extendScan needs a scan of this trace");
    const added = newTypes.map((type) => newValue(tensorType(type.dtype, [node.params.length, ...type.shape])));
    const mutable = node as unknown as MutableNode;
    mutable.params = { ...node.params, body };
    mutable.outputs.push(...added);
    for (const value of added) this.producers.set(value, node);
    return added;
  }

  /** The finished graph: inputs as declared, then captures; nodes that no output needs are left out. */
  finish(outputs: readonly NamedValue[]): Graph {
    const results = outputs.map(({ name, value }) => ({ name, value: this.adopt(value) }));
    const needed = new Set<Value>(results.map(({ value }) => value));
    const kept: Node[] = [];
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i]!;
      if (!node.outputs.some((value) => needed.has(value))) continue;
      for (const value of node.inputs) needed.add(value);
      kept.push(node);
    }
    const captures = this.captured().map(({ inner }, i) => ({ name: `captured.${i}`, value: inner }));
    return Object.freeze({
      name: this.name,
      inputs: [...this.inputs, ...captures],
      nodes: kept.reverse(),
      outputs: results,
    });
  }
}
