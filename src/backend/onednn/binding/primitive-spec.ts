/** @file What a primitive is made from, whichever major makes it. */
import type { RecurrentCell } from "../program.ts";
import type { Address } from "./function-table.ts";

/** A memory descriptor's address; 0 where an optional operand is left out. */
export type Descriptor = Address;

/** Descriptors of a recurrent layer. */
export interface RecurrentDescriptors {
  readonly source: Descriptor;
  readonly initialHidden: Descriptor;
  readonly initialCell: Descriptor;
  readonly weightsInput: Descriptor;
  readonly weightsHidden: Descriptor;
  readonly bias: Descriptor;
  readonly target: Descriptor;
  readonly finalHidden: Descriptor;
  readonly finalCell: Descriptor;
}

/** Numbers (`algorithm`, `propagation`, `flags`) are those of the library's major. */
export type PrimitiveSpec =
  | {
      readonly kind: "matmul";
      readonly source: Descriptor;
      readonly weights: Descriptor;
      readonly bias: Descriptor;
      readonly target: Descriptor;
    }
  | { readonly kind: "reorder"; readonly source: Descriptor; readonly target: Descriptor }
  | {
      readonly kind: "eltwise";
      readonly algorithm: number;
      readonly alpha: number;
      readonly beta: number;
      readonly source: Descriptor;
      readonly target: Descriptor;
    }
  | {
      readonly kind: "eltwiseBackward";
      readonly algorithm: number;
      readonly alpha: number;
      readonly beta: number;
      readonly data: Descriptor;
      readonly targetGradient: Descriptor;
      readonly sourceGradient: Descriptor;
    }
  | {
      readonly kind: "binary";
      readonly algorithm: number;
      readonly left: Descriptor;
      readonly right: Descriptor;
      readonly target: Descriptor;
    }
  | {
      readonly kind: "reduction";
      readonly algorithm: number;
      readonly source: Descriptor;
      readonly target: Descriptor;
    }
  | {
      readonly kind: "softmax";
      readonly algorithm: number;
      readonly axis: number;
      readonly source: Descriptor;
      readonly target: Descriptor;
    }
  | {
      readonly kind: "softmaxBackward";
      readonly algorithm: number;
      readonly axis: number;
      readonly result: Descriptor;
      readonly targetGradient: Descriptor;
      readonly sourceGradient: Descriptor;
    }
  | {
      readonly kind: "layerNorm";
      readonly propagation: number;
      readonly epsilon: number;
      readonly flags: number;
      readonly source: Descriptor;
      readonly target: Descriptor;
      readonly statistics: Descriptor;
    }
  | {
      readonly kind: "layerNormBackward";
      readonly propagation: number;
      readonly epsilon: number;
      readonly flags: number;
      readonly source: Descriptor;
      readonly targetGradient: Descriptor;
      readonly sourceGradient: Descriptor;
      readonly statistics: Descriptor;
    }
  | {
      readonly kind: "sum";
      readonly sources: readonly Descriptor[];
      readonly scales: readonly number[];
      readonly target: Descriptor;
    }
  | {
      readonly kind: "concat";
      readonly axis: number;
      readonly sources: readonly Descriptor[];
      readonly target: Descriptor;
    }
  | {
      readonly kind: "recurrent";
      readonly cell: RecurrentCell;
      readonly propagation: number;
      readonly direction: number;
      readonly operands: RecurrentDescriptors;
    }
  | {
      readonly kind: "recurrentBackward";
      readonly cell: RecurrentCell;
      readonly direction: number;
      readonly operands: RecurrentDescriptors;
      readonly gradients: RecurrentDescriptors;
    };

export type PrimitiveKind = PrimitiveSpec["kind"];
export type SpecOf<K extends PrimitiveKind> = Extract<PrimitiveSpec, { readonly kind: K }>;

/** A post-op in the numbers of the library's major. */
export type PostOpSpec =
  | { readonly kind: "sum"; readonly scale: number }
  | { readonly kind: "eltwise"; readonly algorithm: number; readonly alpha: number; readonly beta: number }
  | { readonly kind: "binary"; readonly algorithm: number; readonly descriptor: Descriptor };
