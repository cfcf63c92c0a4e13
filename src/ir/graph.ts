/**
 * @file The graph language: values, nodes and graphs.
 *
 * A graph is a list of nodes in an order in which every value is made before it is used. Values have static
 * shapes. Nodes are *primitives* (the closed set every backend executes) or *composites* (named pieces with a
 * decomposition into primitives, which a backend may map to a fused kernel instead).
 */
import type { DType, HostData, TensorType } from "./dtype.ts";
import type { Shape } from "./shape.ts";

/** One tensor of a graph; identity is the object. */
export interface Value extends TensorType {
  /** Unique in the process; printers renumber. */
  readonly id: number;
}

export type NoParams = Readonly<Record<never, never>>;

export type CompareDirection = "eq" | "ne" | "lt" | "le" | "gt" | "ge";

/** Parameters of every primitive; `primitiveSpecs` holds their shape rules and documentation. */
export interface PrimitiveParams {
  constant: { readonly dtype: DType; readonly shape: Shape; readonly data: HostData };
  iota: { readonly dtype: "f32" | "i32" | "u32"; readonly shape: Shape; readonly axis: number };
  // Elementwise, one operand.
  neg: NoParams;
  abs: NoParams;
  sign: NoParams;
  floor: NoParams;
  exp: NoParams;
  log: NoParams;
  sqrt: NoParams;
  tanh: NoParams;
  erf: NoParams;
  logistic: NoParams;
  sin: NoParams;
  cos: NoParams;
  not: NoParams;
  convert: { readonly dtype: DType };
  stopGradient: NoParams;
  barrier: NoParams;
  // Elementwise, two operands of one type.
  add: NoParams;
  sub: NoParams;
  mul: NoParams;
  div: NoParams;
  max: NoParams;
  min: NoParams;
  pow: NoParams;
  and: NoParams;
  or: NoParams;
  xor: NoParams;
  shiftLeft: NoParams;
  shiftRight: NoParams;
  compare: { readonly direction: CompareDirection };
  select: NoParams;
  // Linear algebra and reductions.
  dot: {
    readonly lhsBatch: readonly number[];
    readonly rhsBatch: readonly number[];
    readonly lhsContract: readonly number[];
    readonly rhsContract: readonly number[];
  };
  reduceSum: { readonly axes: readonly number[] };
  reduceMax: { readonly axes: readonly number[] };
  argMax: { readonly axis: number };
  // Shape and movement.
  broadcast: { readonly shape: Shape; readonly dims: readonly number[] };
  reshape: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  slice: {
    readonly starts: readonly number[];
    readonly limits: readonly number[];
    readonly strides: readonly number[];
  };
  concatenate: { readonly axis: number };
  pad: { readonly low: readonly number[]; readonly high: readonly number[]; readonly interior: readonly number[] };
  gather: { readonly axis: number };
  scatterAdd: { readonly axis: number };
  randomBits: { readonly shape: Shape };
  scan: {
    readonly body: Graph;
    readonly numConsts: number;
    readonly numCarries: number;
    readonly length: number;
    readonly reverse: boolean;
  };
}

/** Parameters of every composite; `compositeSpecs` holds their shape rules, `tensor/decompose.ts` their meaning. */
export interface CompositeParams {
  linear: { readonly bias: boolean };
  quantizedLinear: { readonly bias: boolean };
  layerNorm: { readonly epsilon: number };
  layerNormGrad: NoParams;
  softmax: NoParams;
  softmaxGrad: NoParams;
  gelu: { readonly approximate: "none" | "tanh" };
  geluGrad: { readonly approximate: "none" | "tanh" };
  attention: { readonly scale: number; readonly bias: boolean; readonly mask: boolean };
  attentionGrad: { readonly scale: number; readonly mask: boolean; readonly biasShape: Shape | null };
  crossEntropy: NoParams;
  crossEntropyGrad: NoParams;
  embedding: NoParams;
  embeddingGrad: { readonly rows: number };
  foldIn: NoParams;
  dropoutMask: { readonly shape: Shape; readonly rate: number };
  lstmCell: NoParams;
  lstmCellGrad: NoParams;
  gruCell: NoParams;
  gruCellGrad: NoParams;
  /** A traced sub-graph: recomputed in the backward pass (`checkpoint`) or with a gradient of its own (`custom`). */
  call: {
    readonly name: string;
    readonly body: Graph;
    readonly kind: "checkpoint" | "custom";
    readonly rule: object | null;
  };
}

export type PrimitiveName = keyof PrimitiveParams;
export type CompositeName = keyof CompositeParams;
export interface OpParams extends PrimitiveParams, CompositeParams {}
export type OpName = keyof OpParams;

/** One operation; a union over all operations, discriminated by `op`. */
export type Node = { readonly [P in OpName]: NodeOf<P> }[OpName];

export interface NodeOf<P extends OpName> {
  readonly op: P;
  readonly params: OpParams[P];
  readonly inputs: readonly Value[];
  /** Differentiating a scan may append outputs while its graph is being built; finished graphs never change. */
  readonly outputs: readonly Value[];
  /** The line of the caller's source where the node was traced, e.g. `models/bert/model.ts:88`. */
  readonly source: string | undefined;
}

export interface NamedValue {
  readonly name: string;
  readonly value: Value;
}

/** A pure function of its inputs. Input and output names are unique. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly NamedValue[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly NamedValue[];
}
