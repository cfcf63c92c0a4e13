/**
 * @file What the lowering hands to the engine thread: plain data that passes through `postMessage`.
 *
 * A program is a list of steps over *operands*: views (dtype, dims, strides in elements) at *places* (the activation
 * arena, a graph input or output, a constant). The thread makes one primitive of every step at compile time and then
 * only executes. Loops are unrolled by the lowering: equal steps share one compiled kernel inside the library.
 */
import type { DType, HostTensor, TensorType } from "../../ir/dtype.ts";

/** Element types of the library. Booleans and u32 reach it only through host steps. */
export type DnnDType = "f32" | "bf16" | "s32" | "s8" | "u8";

/** Dims and strides in elements; a stride of 0 is refused by the library (broadcast with a dim of 1 instead). */
export interface View {
  readonly dtype: DnnDType;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** Where a view's first element lies; offsets in bytes. */
export type Place =
  | { readonly kind: "arena"; readonly offset: number }
  | { readonly kind: "input"; readonly index: number; readonly offset: number }
  | { readonly kind: "output"; readonly index: number; readonly offset: number }
  | { readonly kind: "constant"; readonly index: number };

export interface Operand {
  readonly view: View;
  readonly place: Place;
}

/**
 * Elementwise functions with their use of `alpha` and `beta`: linear αx+β, clip to [α, β], pow αxᵝ, swish x·σ(αx),
 * relu (slope α below 0), elu (α); the others ignore both.
 */
export type EltwiseAlgorithm =
  | "relu"
  | "tanh"
  | "elu"
  | "square"
  | "abs"
  | "sqrt"
  | "linear"
  | "logistic"
  | "exp"
  | "geluTanh"
  | "geluErf"
  | "swish"
  | "log"
  | "clip"
  | "pow"
  | "round";

/** Backward functions that take the forward *result* instead of its source. */
export type EltwiseFromResult = "relu" | "tanh" | "elu" | "sqrt" | "logistic" | "exp";

/** Two operands, each dim equal or 1 in `right`; comparisons give 0 or 1 in the target's dtype. */
export type BinaryAlgorithm = "add" | "sub" | "mul" | "div" | "max" | "min" | "ge" | "gt" | "le" | "lt" | "eq" | "ne";

export type ReductionAlgorithm = "sum" | "mean" | "max" | "min" | "mul";

/** Applied to a primitive's f32 result in order, before it is rounded into the target. */
export type PostOp =
  /** Adds `scale` times what the target held before. */
  | { readonly kind: "sum"; readonly scale: number }
  | {
      readonly kind: "eltwise";
      readonly algorithm: EltwiseAlgorithm;
      readonly alpha: number;
      readonly beta: number;
    }
  /** The operand has the target's rank; each dim equals the target's or is 1. */
  | { readonly kind: "binary"; readonly algorithm: BinaryAlgorithm; readonly operand: Operand };

interface StepFacts {
  /** Op and source line of the graph, for errors: `dot at models/bert/model.ts:88`. */
  readonly label: string;
  /** Takes the library's slow reference implementation for any size; without it, only tensors up to `referenceLimit` elements may. */
  readonly acceptReference?: boolean;
}

/** The most elements (of the largest operand) that the library's reference implementations are trusted with unasked. */
export const referenceLimit = 4096;

/** target = postOps(scale · (source × weights + bias)); rank 2…, batch dims equal or 1; bias of the target's rank, batch and rows 1. */
export interface MatmulStep extends StepFacts {
  readonly kind: "matmul";
  readonly source: Operand;
  readonly weights: Operand;
  readonly bias?: Operand;
  readonly target: Operand;
  readonly scale?: number;
  readonly postOps: readonly PostOp[];
}

/** Copies between views of equal dims: transposes, conversions; `scale` (default 1) multiplies, `add` adds to the target. */
export interface ReorderStep extends StepFacts {
  readonly kind: "reorder";
  readonly source: Operand;
  readonly target: Operand;
  readonly scale?: number;
  readonly add?: boolean;
}

/** Major 2 wants one view (dtype, dims, strides) for source and target; reorder first where they differ. */
export interface EltwiseStep extends StepFacts {
  readonly kind: "eltwise";
  readonly algorithm: EltwiseAlgorithm;
  readonly alpha: number;
  readonly beta: number;
  readonly source: Operand;
  readonly target: Operand;
  readonly postOps: readonly PostOp[];
}

/** sourceGradient = targetGradient · f′; `data` is the forward source, or its result when `fromResult`. All of one dtype (f32 or bf16). */
export interface EltwiseBackwardStep extends StepFacts {
  readonly kind: "eltwiseBackward";
  readonly algorithm: EltwiseAlgorithm;
  readonly alpha: number;
  readonly beta: number;
  readonly fromResult: boolean;
  readonly data: Operand;
  readonly targetGradient: Operand;
  readonly sourceGradient: Operand;
}

export interface BinaryStep extends StepFacts {
  readonly kind: "binary";
  readonly algorithm: BinaryAlgorithm;
  readonly left: Operand;
  readonly right: Operand;
  readonly target: Operand;
  readonly postOps: readonly PostOp[];
}

/** Reduces every dim where the target's is 1 and the source's is not. */
export interface ReductionStep extends StepFacts {
  readonly kind: "reduction";
  readonly algorithm: ReductionAlgorithm;
  readonly source: Operand;
  readonly target: Operand;
  readonly postOps: readonly PostOp[];
}

export interface SoftmaxStep extends StepFacts {
  readonly kind: "softmax";
  readonly axis: number;
  readonly log: boolean;
  readonly source: Operand;
  readonly target: Operand;
}

/** `result` is what the forward step wrote. */
export interface SoftmaxBackwardStep extends StepFacts {
  readonly kind: "softmaxBackward";
  readonly axis: number;
  readonly log: boolean;
  readonly result: Operand;
  readonly targetGradient: Operand;
  readonly sourceGradient: Operand;
}

/** Over the last dim, of 2 to 5; major 2 wants one view for source and target. `mean` and `variance` (f32, the source's dims without the last, dense) are written when given. */
export interface LayerNormStep extends StepFacts {
  readonly kind: "layerNorm";
  readonly epsilon: number;
  readonly source: Operand;
  readonly target: Operand;
  readonly mean?: Operand;
  readonly variance?: Operand;
  /** f32 `[C]`. */
  readonly gain?: Operand;
  readonly shift?: Operand;
}

/** Gain and shift are there together or not at all, and so are their gradients (f32 `[C]`). */
export interface LayerNormBackwardStep extends StepFacts {
  readonly kind: "layerNormBackward";
  readonly epsilon: number;
  readonly source: Operand;
  readonly mean: Operand;
  readonly variance: Operand;
  readonly targetGradient: Operand;
  readonly sourceGradient: Operand;
  readonly gain?: Operand;
  readonly gainGradient?: Operand;
  readonly shiftGradient?: Operand;
}

/** target = Σ scales[i] · sources[i], equal dims. */
export interface SumStep extends StepFacts {
  readonly kind: "sum";
  readonly sources: readonly Operand[];
  readonly scales: readonly number[];
  readonly target: Operand;
}

export interface ConcatStep extends StepFacts {
  readonly kind: "concat";
  readonly axis: number;
  readonly sources: readonly Operand[];
  readonly target: Operand;
}

/**
 * Tensors of a recurrent layer. Dims: T time, B rows, I inputs, H cells, L layers, D directions, G gates (4 LSTM: input,
 * forget, candidate, output; 3 GRU: update, reset, candidate).
 */
export interface RecurrentOperands {
  /** `[T, B, I]`. */
  readonly source: Operand;
  /** `[L, D, B, H]`; zeros when left out. */
  readonly initialHidden?: Operand;
  /** LSTM only, `[L, D, B, H]` f32. */
  readonly initialCell?: Operand;
  /** `[L, D, I, G, H]`. */
  readonly weightsInput: Operand;
  /** `[L, D, H, G, H]`. */
  readonly weightsHidden: Operand;
  /** f32 `[L, D, G, H]`; `G + 1` for "gruLinearBeforeReset". */
  readonly bias: Operand;
  /** `[T, B, H]`, `[T, B, 2H]` when directions are concatenated. */
  readonly target: Operand;
  readonly finalHidden?: Operand;
  readonly finalCell?: Operand;
}

export type RecurrentCell = "lstm" | "gru" | "gruLinearBeforeReset";
export type RecurrentDirection = "leftToRight" | "rightToLeft" | "concat" | "sum";

interface RecurrentFacts extends StepFacts {
  readonly cell: RecurrentCell;
  readonly direction: RecurrentDirection;
}

/** `workspace` is a name: the backward step of the same name reads what this one kept; without one, inference only. */
export interface RecurrentStep extends RecurrentFacts {
  readonly kind: "recurrent";
  readonly workspace?: string;
  readonly operands: RecurrentOperands;
}

/**
 * Gradients of all operands of the forward step; those of weights and bias are *added* to what is there. The forward
 * step reads dense weights; this one reads them with the inputs innermost (strides of `[L, D, G, H, I]`). With bf16
 * operands all gradients are f32.
 */
export interface RecurrentBackwardStep extends RecurrentFacts {
  readonly kind: "recurrentBackward";
  readonly workspace: string;
  readonly operands: RecurrentOperands;
  /** `target`, `finalHidden`, `finalCell` are given, the others written. */
  readonly gradients: RecurrentOperands;
}

/** A host kernel's operand: graph dtypes, strides in elements. */
export interface HostOperand extends TensorType {
  readonly strides: readonly number[];
  readonly place: Place;
}

/** Plain data for a host kernel. */
export type HostParams = Readonly<Record<string, unknown>>;

/** A TypeScript kernel of `host-kernels.ts`, run in the engine thread. */
export interface HostStep extends StepFacts {
  readonly kind: "host";
  readonly kernel: string;
  readonly params: HostParams;
  readonly inputs: readonly HostOperand[];
  readonly outputs: readonly HostOperand[];
}

export type Step =
  | MatmulStep
  | ReorderStep
  | EltwiseStep
  | EltwiseBackwardStep
  | BinaryStep
  | ReductionStep
  | SoftmaxStep
  | SoftmaxBackwardStep
  | LayerNormStep
  | LayerNormBackwardStep
  | SumStep
  | ConcatStep
  | RecurrentStep
  | RecurrentBackwardStep
  | HostStep;

/** A compiled graph as data; steps run in order. */
export interface Program {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Size of the activation arena; every offset in it is a multiple of the element size, best of 64. */
  readonly arenaBytes: number;
  readonly constants: readonly HostTensor[];
  /** Types of the regions that a run must bring, dense row-major. */
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
}

/** Bytes of one element. */
export const dnnDTypeBytes: Readonly<Record<DnnDType, number>> = { f32: 4, bf16: 2, s32: 4, s8: 1, u8: 1 };

/** The library's dtype for a graph dtype, where it has one. */
export const dnnDTypeOf: Readonly<Partial<Record<DType, DnnDType>>> = { f32: "f32", bf16: "bf16", i32: "s32" };

/** Strides of a dense row-major tensor. */
export function denseStrides(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * Math.max(1, dims[axis + 1]!);
  }
  return strides;
}

/** A dense row-major view. */
export function denseView(dtype: DnnDType, dims: readonly number[]): View {
  return { dtype, dims, strides: denseStrides(dims) };
}
