import { compositeSpecs } from "./composite.ts";
import type { TensorType } from "./dtype.ts";
import type { CompositeName, OpName, OpParams } from "./graph.ts";
import { primitiveSpecs } from "./primitive.ts";
import type { OpSpec } from "./rule.ts";

/** Shape rules of all operations. */
export const opSpecs: { readonly [P in OpName]: OpSpec<P> } = { ...primitiveSpecs, ...compositeSpecs };

export function isComposite(op: OpName): op is CompositeName {
  return op in compositeSpecs;
}

/** Result types of one operation; throws ShapeError when the operands do not fit. */
export function inferTypes<P extends OpName>(op: P, inputs: readonly TensorType[], params: OpParams[P]): TensorType[] {
  return opSpecs[op].infer(inputs, params);
}
