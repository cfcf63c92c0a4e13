/** @file What a sample of an operation is, and the numbers it draws. */
import { Random } from "../../../src/base/random.ts";
import { allocateHostData, type DType, type HostTensor } from "../../../src/ir/dtype.ts";
import type { OpName, OpParams } from "../../../src/ir/graph.ts";
import { type Shape, sizeOf } from "../../../src/ir/shape.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { emit } from "../../../src/tensor/trace.ts";

/** The dtype that stands for "float" in a sample: f32 for engines, f64 for differences. */
export type FloatType = "f32" | "f64";

export type Draw = (random: Random, index: number) => number;

export interface SampleInput {
  readonly dtype: "float" | "i32" | "u32" | "i8" | "bool";
  readonly shape: Shape;
  readonly draw: Draw;
}

/** One use of an operation; the traced graph must contain it. */
export interface Sample {
  readonly title: string;
  readonly inputs: readonly SampleInput[];
  readonly run: (inputs: readonly Tensor[], float: FloatType) => readonly Tensor[];
  /** Why gradients cannot be compared with differences here (kinks, values without meaning for them). */
  readonly noGradient?: string;
}

export const normal: Draw = (random) => random.nextNormal();
/** Normal numbers that keep a distance from zero, where kinks lie. */
export const offZero: Draw = (random) => {
  const x = random.nextNormal();
  return x + Math.sign(x) * 0.1;
};
export const positive: Draw = (random) => 0.2 + 2 * random.next();
/** Whole numbers in [0, bound). */
export const below =
  (bound: number): Draw =>
  (random) =>
    random.nextInt(bound);
export const anyI32: Draw = (random) => random.nextUint32() | 0;
export const anyU32: Draw = (random) => random.nextUint32();
export const anyI8: Draw = (random) => random.nextInt(255) - 127;
export const coin: Draw = (random) => random.nextInt(2);
/** The given numbers in turn. */
export const given =
  (...values: readonly number[]): Draw =>
  (_, index) =>
    values[index % values.length]!;

export const float = (shape: Shape, draw: Draw = normal): SampleInput => ({ dtype: "float", shape, draw });
export const i32 = (shape: Shape, draw: Draw): SampleInput => ({ dtype: "i32", shape, draw });
export const u32 = (shape: Shape, draw: Draw): SampleInput => ({ dtype: "u32", shape, draw });
export const i8 = (shape: Shape, draw: Draw = anyI8): SampleInput => ({ dtype: "i8", shape, draw });
export const bool = (shape: Shape, draw: Draw = coin): SampleInput => ({ dtype: "bool", shape, draw });

/** A sample that is the operation alone. */
export function direct<P extends OpName>(
  op: P,
  params: OpParams[P] | ((float: FloatType) => OpParams[P]),
  inputs: readonly SampleInput[],
  extra: { readonly title?: string; readonly noGradient?: string } = {},
): Sample {
  const shown = inputs.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(", ");
  return {
    title: extra.title ?? (shown === "" ? "no operands" : shown),
    inputs,
    run: (tensors, type) => emit(op, tensors, typeof params === "function" ? params(type) : params),
    ...(extra.noGradient === undefined ? {} : { noGradient: extra.noGradient }),
  };
}

/** The inputs of a sample: a function of the operation, the sample's place and nothing else. */
export function drawInputs(op: OpName, index: number, sample: Sample, type: FloatType): HostTensor[] {
  return sample.inputs.map(({ dtype, shape, draw }, i) => {
    const random = new Random(2024, op, index, i);
    const actual: DType = dtype === "float" ? type : dtype;
    const data = allocateHostData(actual, sizeOf(shape));
    for (let k = 0; k < data.length; k++) data[k] = draw(random, k);
    return { dtype: actual, shape, data };
  });
}
