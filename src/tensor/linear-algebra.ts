import type { PrimitiveParams } from "../ir/graph.ts";
import { refuse } from "../ir/rule.ts";
import type { Tensor } from "./tensor.ts";
import { emitOne } from "./trace.ts";

/** General product: batch axes pair up, contracted axes are summed; result axes are batch, left free, right free. */
export function dot(lhs: Tensor, rhs: Tensor, dimensions: Partial<PrimitiveParams["dot"]>): Tensor {
  const { lhsBatch = [], rhsBatch = [], lhsContract = [], rhsContract = [] } = dimensions;
  return emitOne("dot", [lhs, rhs], { lhsBatch, rhsBatch, lhsContract, rhsContract });
}

/** Matrix product of [..., M, K] and [..., K, N] with equal leading axes. */
export function matmul(lhs: Tensor, rhs: Tensor): Tensor {
  if (lhs.rank < 2 || rhs.rank !== lhs.rank) refuse("matmul", "takes two tensors of one rank ≥ 2", [lhs, rhs]);
  const batch = lhs.shape.slice(0, -2).map((_, axis) => axis);
  if (lhs.dim(-1) !== rhs.dim(-2)) refuse("matmul", "inner dimensions differ", [lhs, rhs]);
  return dot(lhs, rhs, { lhsBatch: batch, rhsBatch: batch, lhsContract: [lhs.rank - 1], rhsContract: [rhs.rank - 2] });
}
