import type { Graph, PrimitiveName, PrimitiveParams } from "../../ir/graph.ts";
import type { Tensor } from "./storage.ts";

/** One execution of a primitive. */
export interface Invocation<P extends PrimitiveName> {
  readonly inputs: readonly Tensor[];
  /** Zeroed; the kernel fills them. */
  readonly outputs: readonly Tensor[];
  readonly params: PrimitiveParams[P];
  /** Evaluates a nested graph in the same precision. */
  readonly evaluate: (graph: Graph, inputs: readonly Tensor[]) => Tensor[];
}

export type Kernel<P extends PrimitiveName> = (invocation: Invocation<P>) => void;
