import type { Node, NodeOf, OpName, Value } from "../ir/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What a rule may use to turn the cotangents of a node's results into those of its operands. */
export interface VjpFacts<P extends OpName> {
  readonly node: NodeOf<P>;
  readonly params: NodeOf<P>["params"];
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The cotangent of the first result; rules of single-result operations need no more. */
  readonly dy: Tensor;
  /** Cotangents of all results; undefined where a result does not matter. */
  readonly cotangents: readonly (Tensor | undefined)[];
  /** Which operands' cotangents are wanted; computing others is wasted work. */
  readonly wanted: readonly boolean[];
  readonly backpropagate: Backpropagate;
}

/**
 * Adds to the current trace the nodes that carry cotangents of some values back through `nodes`.
 * @param seeds cotangents of the values to start from
 * @returns the cotangent of each value of `wrt`, undefined where none arrives
 */
export type Backpropagate = (
  nodes: readonly Node[],
  seeds: ReadonlyMap<Value, Tensor>,
  wrt: readonly Value[],
) => (Tensor | undefined)[];

/** Gives a cotangent per operand, undefined for none. */
export type VjpRule<P extends OpName> = (facts: VjpFacts<P>) => readonly (Tensor | undefined)[];
