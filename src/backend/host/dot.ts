import { sizeOf } from "../../ir/shape.ts";
import type { Kernel } from "./kernel.ts";
import { otherAxes, permutedData } from "./stride.ts";

/** Both operands are brought to [batch, free, contracted]; products are summed in double precision. */
export const dot: Kernel<"dot"> = ({ inputs: [lhs, rhs], outputs: [y], params }) => {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = params;
  const lhsFree = otherAxes(lhs!.shape, [...lhsBatch, ...lhsContract]);
  const rhsFree = otherAxes(rhs!.shape, [...rhsBatch, ...rhsContract]);
  const left = permutedData(lhs!, [...lhsBatch, ...lhsFree, ...lhsContract]);
  const right = permutedData(rhs!, [...rhsBatch, ...rhsFree, ...rhsContract]);
  const size = (axes: readonly number[]) => sizeOf(axes.map((axis) => lhs!.shape[axis]!));
  const numBatches = size(lhsBatch);
  const numRows = size(lhsFree);
  const numColumns = sizeOf(rhsFree.map((axis) => rhs!.shape[axis]!));
  const depth = size(lhsContract);
  const target = y!.data;
  let next = 0;
  for (let batch = 0; batch < numBatches; batch++) {
    for (let row = 0; row < numRows; row++) {
      const a = (batch * numRows + row) * depth;
      for (let column = 0; column < numColumns; column++) {
        const b = (batch * numColumns + column) * depth;
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += left[a + k]! * right[b + k]!;
        target[next++] = sum;
      }
    }
  }
};
