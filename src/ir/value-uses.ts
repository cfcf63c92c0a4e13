/** @file Who makes the values of a graph, and how often they are read. */
import type { Graph, Node, NodeOf, OpName, Value } from "./graph.ts";

export class ValueUses {
  private readonly producers = new Map<Value, Node>();
  private readonly counts = new Map<Value, number>();

  constructor({ nodes, outputs }: Graph) {
    const read = (value: Value) => this.counts.set(value, this.count(value) + 1);
    for (const node of nodes) {
      for (const value of node.outputs) this.producers.set(value, node);
      node.inputs.forEach(read);
    }
    for (const { value } of outputs) read(value);
  }

  /** How often nodes and the graph's outputs read a value. */
  count(value: Value): number {
    return this.counts.get(value) ?? 0;
  }

  /** The node that makes a value; none for the graph's inputs. */
  producer(value: Value): Node | undefined {
    return this.producers.get(value);
  }

  /** The node that makes a value if it is the named operation and the value is read once. */
  soleProducer<P extends OpName>(value: Value, op: P): NodeOf<P> | undefined {
    const node = this.producers.get(value);
    return node?.op === op && this.count(value) === 1 ? (node as unknown as NodeOf<P>) : undefined;
  }
}
