import { ShapeError } from "../base/errors.ts";
import type { TensorType } from "./dtype.ts";
import type { OpName, OpParams } from "./graph.ts";
import { formatType, type Shape } from "./shape.ts";

/** Shape rule and documentation of one operation. */
export interface OpSpec<P extends OpName> {
  /** One sentence: what the operation computes. */
  readonly doc: string;
  /** Result types, or a ShapeError naming both sides. */
  readonly infer: (inputs: readonly TensorType[], params: OpParams[P]) => TensorType[];
}

/** Throws a ShapeError of the form *op: rule broken; actual types*. */
export function refuse(op: string, rule: string, inputs: readonly TensorType[], fix = ""): never {
  const actual = inputs.map(formatType).join(", ");
  throw new ShapeError(`${rule}; got ${actual === "" ? "no operands" : actual}.${fix === "" ? "" : ` ${fix}`}`, {
    code: "SHAPE_MISMATCH",
    path: op,
    details: { op, inputs: inputs.map(formatType) },
  });
}

export function requireCount(op: string, inputs: readonly TensorType[], ...counts: readonly number[]): void {
  if (!counts.includes(inputs.length)) refuse(op, `takes ${counts.join(" or ")} operands`, inputs);
}

/** Checks that axes are distinct and in range. */
export function requireAxes(op: string, type: TensorType, axes: readonly number[], what = "axes"): void {
  const valid = axes.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < type.shape.length);
  if (!valid || new Set(axes).size !== axes.length) {
    refuse(op, `${what} [${axes.join(",")}] must be distinct and in [0, ${type.shape.length})`, [type]);
  }
}

export function requireShape(op: string, shape: Shape): void {
  if (!shape.every((dim) => Number.isInteger(dim) && dim >= 0)) {
    refuse(op, `dimensions must be whole numbers ≥ 0; got [${shape.join(",")}]`, []);
  }
}
