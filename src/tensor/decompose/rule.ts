import type { CompositeName, CompositeParams } from "../../ir/graph.ts";
import type { Tensor } from "../tensor.ts";

/** What a composite means: its results from its operands, in primitives and simpler composites. */
export type Decomposition<P extends CompositeName> = (
  inputs: readonly Tensor[],
  params: CompositeParams[P],
) => Tensor[];
