import type { View } from "../program.ts";
import type { Address } from "./function-table.ts";
import type { Descriptor, PostOpSpec, PrimitiveSpec } from "./primitive-spec.ts";

/** What differs between the majors: descriptors, attributes, primitive descriptors. */
export interface MajorApi {
  /** A descriptor of a strided view; lives until `releaseDescriptors`. @throws {BackendError} ONEDNN_REFUSED */
  describe(view: View, where: string): Descriptor;
  /** As `describe`, but the library chooses the layout: it is known once a primitive is made. */
  describeFree(view: View, where: string): Descriptor;
  releaseDescriptors(): void;
  /** Sum and elementwise post-ops; binary ones are common to both. Gives a status. */
  appendPostOp(postOps: Address, postOp: Exclude<PostOpSpec, { readonly kind: "binary" }>): number;
  /** Multiplies the source of a reorder: by the attributes (argument 0), or by a run-time argument of this number. */
  setReorderScale(attributes: Address, scale: number): { readonly status: number; readonly argument: number };
  /** Writes a primitive descriptor to `cell`; `hint` is the forward one of a backward primitive. Gives a status. */
  createPrimitiveDescriptor(cell: Address, spec: PrimitiveSpec, attributes: Address, hint: Address): number;
}
