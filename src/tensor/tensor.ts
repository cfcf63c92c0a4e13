import type { DType, TensorType } from "../ir/dtype.ts";
import type { Value } from "../ir/graph.ts";
import { formatType, sizeOf } from "../ir/shape.ts";

/** A symbolic tensor: a value of the graph that is being traced. It holds no numbers and needs no disposal. */
export class Tensor implements TensorType {
  readonly value: Value;

  constructor(value: Value) {
    this.value = value;
  }

  get dtype(): DType {
    return this.value.dtype;
  }

  get shape(): readonly number[] {
    return this.value.shape;
  }

  get rank(): number {
    return this.value.shape.length;
  }

  get size(): number {
    return sizeOf(this.value.shape);
  }

  /** Size of one axis; negative axes count from the end. */
  dim(axis: number): number {
    return this.shape[axis < 0 ? axis + this.rank : axis]!;
  }

  toString(): string {
    return formatType(this.value);
  }
}
