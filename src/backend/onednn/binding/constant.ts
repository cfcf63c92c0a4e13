/**
 * @file Numbers of the C API, for both majors.
 * @source oneapi/dnnl/dnnl_types.h of 2.6 and 3.x
 */
import type {
  BinaryAlgorithm,
  DnnDType,
  EltwiseAlgorithm,
  EltwiseFromResult,
  RecurrentDirection,
  ReductionAlgorithm,
} from "../program.ts";

/** The majors of the library whose C API Firth knows. */
export type Major = 2 | 3;

/** `dnnl_data_type_t`. */
export const DATA_TYPE: Readonly<Record<DnnDType, number>> = { bf16: 2, f32: 3, s32: 4, s8: 5, u8: 6 };

/** `dnnl_format_tag_any`: the library chooses. */
export const ANY_LAYOUT = 1;

/** `dnnl_prop_kind_t`. */
export const PROPAGATION = { forwardTraining: 64, forwardInference: 96, backward: 128, backwardData: 160 } as const;

/** `dnnl_alg_kind_t` of elementwise functions, by major. */
export const ELTWISE: Readonly<Record<EltwiseAlgorithm, Readonly<Record<Major, number>>>> = {
  relu: { 2: 0x1f, 3: 0x20 },
  tanh: { 2: 0x2f, 3: 0x21 },
  elu: { 2: 0x3f, 3: 0x22 },
  square: { 2: 0x4f, 3: 0x23 },
  abs: { 2: 0x5f, 3: 0x24 },
  sqrt: { 2: 0x6f, 3: 0x25 },
  linear: { 2: 0x7f, 3: 0x26 },
  logistic: { 2: 0xaf, 3: 0x29 },
  exp: { 2: 0xbf, 3: 0x2a },
  geluTanh: { 2: 0xcf, 3: 0x2b },
  swish: { 2: 0xdf, 3: 0x2c },
  log: { 2: 0xef, 3: 0x2d },
  clip: { 2: 0xff, 3: 0x2e },
  pow: { 2: 0x20, 3: 0x30 },
  geluErf: { 2: 0x30, 3: 0x31 },
  round: { 2: 0x40, 3: 0x32 },
};

/** `dnnl_alg_kind_t` of backward functions that take the forward result. */
export const ELTWISE_FROM_RESULT: Readonly<Record<EltwiseFromResult, number>> = {
  relu: 0x100,
  tanh: 0x101,
  elu: 0x102,
  sqrt: 0x103,
  logistic: 0x104,
  exp: 0x105,
};

/** `dnnl_alg_kind_t` of binary functions. */
export const BINARY: Readonly<Record<BinaryAlgorithm, number>> = {
  add: 0x1fff0,
  mul: 0x1fff1,
  max: 0x1fff2,
  min: 0x1fff3,
  div: 0x1fff4,
  sub: 0x1fff5,
  ge: 0x1fff6,
  gt: 0x1fff7,
  le: 0x1fff8,
  lt: 0x1fff9,
  eq: 0x1fffa,
  ne: 0x1fffb,
};

/** `dnnl_alg_kind_t` of reductions. */
export const REDUCTION: Readonly<Record<ReductionAlgorithm, number>> = {
  max: 0x2fff2,
  min: 0x2fff3,
  sum: 0x2fff4,
  mul: 0x2fff5,
  mean: 0x2fff6,
};

/** `dnnl_alg_kind_t` of softmax. */
export const SOFTMAX = { accurate: 0x30000, log: 0x30001 } as const;

/** `dnnl_normalization_flags_t`, by major. */
export const NORMALIZATION: Readonly<Record<Major, { readonly useScale: number; readonly useShift: number }>> = {
  2: { useScale: 8, useShift: 16 },
  3: { useScale: 2, useShift: 4 },
};

/** `dnnl_rnn_direction_t` of major 2; major 3 counts from 1. */
export const DIRECTION: Readonly<Record<RecurrentDirection, number>> = {
  leftToRight: 0,
  rightToLeft: 1,
  concat: 2,
  sum: 3,
};

/** `dnnl_query_t`. */
export const QUERY = { implementation: 8, weights: 131, workspace: 135, scratchpad: 136 } as const;

/** Argument indices of `dnnl_exec_arg_t`. */
export const ARG = {
  source: 1,
  source1: 2,
  source2: 3,
  target: 17,
  target1: 18,
  target2: 19,
  weights: 33,
  weights1: 34,
  bias: 41,
  mean: 49,
  variance: 50,
  scale: 51,
  shift: 52,
  workspace: 64,
  scratchpad: 80,
  sourceGradient: 129,
  sourceGradient1: 130,
  sourceGradient2: 131,
  targetGradient: 145,
  targetGradient1: 146,
  targetGradient2: 147,
  weightsGradient: 161,
  weightsGradient1: 162,
  biasGradient: 169,
  scaleGradient: 255,
  shiftGradient: 256,
  multipleSource: 1024,
} as const;

/** The argument of the binary post-op at `index`. */
export function postOpArgument(major: Major, index: number): number {
  return ((major === 2 ? 16_384 : 32_768) * (index + 1)) | ARG.source1;
}

/** The argument of a run-time scale of the source (major 3). */
export const SOURCE_SCALE_ARG = 4096 | ARG.source;

/** `dnnl_cpu_isa_t` bits that decide what Firth does; equal in both majors. */
export const ISA = { avx2: 0x7, avx512: 0x27, avx512Bf16: 0xe7 } as const;

/** Names of the instruction sets, newest first. */
export const ISA_NAMES: Readonly<Record<Major, readonly (readonly [bits: number, name: string])[]>> = {
  2: [
    [0x3e7, "AVX512-BF16 and AMX"],
    [0xe7, "AVX512-BF16"],
    [0x67, "AVX512-VNNI"],
    [0x27, "AVX512"],
    [0x407, "AVX2-VNNI"],
    [0x7, "AVX2"],
    [0x3, "AVX"],
    [0x1, "SSE4.1"],
  ],
  3: [
    [0xfef, "AVX512-BF16, FP16 and AMX"],
    [0x1ef, "AVX512-BF16 and FP16"],
    [0xe7, "AVX512-BF16"],
    [0x67, "AVX512-VNNI"],
    [0x27, "AVX512"],
    [0x1f, "AVX2-VNNI-2"],
    [0xf, "AVX2-VNNI"],
    [0x7, "AVX2"],
    [0x3, "AVX"],
    [0x1, "SSE4.1"],
  ],
};
