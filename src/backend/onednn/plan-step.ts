/** @file Says what primitive a step is: its descriptors, post-ops and arguments. */
import { BackendError } from "../../base/errors.ts";
import {
  ARG,
  BINARY,
  DIRECTION,
  ELTWISE,
  ELTWISE_FROM_RESULT,
  type Major,
  NORMALIZATION,
  PROPAGATION,
  postOpArgument,
  REDUCTION,
  SOFTMAX,
} from "./binding/constant.ts";
import type { Descriptor, PostOpSpec, PrimitiveSpec } from "./binding/primitive-spec.ts";
import { planRecurrent, planRecurrentBackward } from "./plan-recurrent.ts";
import {
  type BinaryStep,
  denseView,
  type EltwiseAlgorithm,
  type EltwiseBackwardStep,
  type EltwiseFromResult,
  type EltwiseStep,
  type HostStep,
  type LayerNormBackwardStep,
  type LayerNormStep,
  type MatmulStep,
  type Operand,
  type PostOp,
  type Step,
  type View,
} from "./program.ts";

/** A step that is a primitive of the library. */
export type PrimitiveStep = Exclude<Step, HostStep>;
export type Describe = (view: View) => Descriptor;
export type Argument = readonly [argument: number, operand: Operand];

/** Everything needed to make and call one primitive. */
export interface StepPlan {
  readonly spec: PrimitiveSpec;
  /** The forward operation of a backward one. */
  readonly forward?: PrimitiveSpec;
  readonly postOps: readonly PostOpSpec[];
  readonly arguments: readonly Argument[];
  readonly reorderScale?: number;
}

/** @throws {BackendError} ONEDNN_VIEW where major 2 wants one view for source and target; ONEDNN_ALGORITHM */
export function planStep(step: PrimitiveStep, major: Major, describe: Describe): StepPlan {
  switch (step.kind) {
    case "matmul":
      return planMatmul(step, major, describe);
    case "reorder": {
      const { source, target, scale, add } = step;
      return {
        spec: { kind: "reorder", source: describe(source.view), target: describe(target.view) },
        postOps: add === true ? [{ kind: "sum", scale: 1 }] : [],
        arguments: [
          [ARG.source, source],
          [ARG.target, target],
        ],
        ...(scale === undefined || scale === 1 ? {} : { reorderScale: scale }),
      };
    }
    case "eltwise":
      return planEltwise(step, major, describe);
    case "eltwiseBackward":
      return planEltwiseBackward(step, major, describe);
    case "binary":
      return planBinary(step, major, describe);
    case "reduction": {
      const { source, target } = step;
      return {
        spec: {
          kind: "reduction",
          algorithm: REDUCTION[step.algorithm],
          source: describe(source.view),
          target: describe(target.view),
        },
        ...planPostOps(step.postOps, major, describe, [
          [ARG.source, source],
          [ARG.target, target],
        ]),
      };
    }
    case "softmax": {
      const { source, target, axis, log } = step;
      const algorithm = log ? SOFTMAX.log : SOFTMAX.accurate;
      return {
        spec: { kind: "softmax", algorithm, axis, source: describe(source.view), target: describe(target.view) },
        postOps: [],
        arguments: [
          [ARG.source, source],
          [ARG.target, target],
        ],
      };
    }
    case "softmaxBackward": {
      const { result, targetGradient, sourceGradient, axis, log } = step;
      const algorithm = log ? SOFTMAX.log : SOFTMAX.accurate;
      return {
        spec: {
          kind: "softmaxBackward",
          algorithm,
          axis,
          result: describe(result.view),
          targetGradient: describe(targetGradient.view),
          sourceGradient: describe(sourceGradient.view),
        },
        forward: {
          kind: "softmax",
          algorithm,
          axis,
          source: describe(result.view),
          target: describe(result.view),
        },
        postOps: [],
        arguments: [
          [ARG.target, result],
          [ARG.targetGradient, targetGradient],
          [ARG.sourceGradient, sourceGradient],
        ],
      };
    }
    case "layerNorm":
      return planLayerNorm(step, major, describe);
    case "layerNormBackward":
      return planLayerNormBackward(step, major, describe);
    case "sum":
    case "concat": {
      const sources = step.sources.map(({ view }) => describe(view));
      const target = describe(step.target.view);
      return {
        spec:
          step.kind === "sum"
            ? { kind: "sum", sources, scales: step.scales, target }
            : { kind: "concat", sources, axis: step.axis, target },
        postOps: [],
        arguments: [
          ...step.sources.map((source, i): Argument => [ARG.multipleSource + i, source]),
          [ARG.target, step.target],
        ],
      };
    }
    case "recurrent":
      return planRecurrent(step, DIRECTION[step.direction], describe);
    case "recurrentBackward":
      return planRecurrentBackward(step, DIRECTION[step.direction], describe);
  }
}

function planMatmul(step: MatmulStep, major: Major, describe: Describe): StepPlan {
  const { source, weights, bias, target, scale = 1 } = step;
  // A linear post-op rather than an attribute: both majors take it, and kernels fold it into their last pass.
  const scaling: PostOp[] = scale === 1 ? [] : [{ kind: "eltwise", algorithm: "linear", alpha: scale, beta: 0 }];
  return {
    spec: {
      kind: "matmul",
      source: describe(source.view),
      weights: describe(weights.view),
      bias: bias === undefined ? 0 : describe(bias.view),
      target: describe(target.view),
    },
    ...planPostOps([...scaling, ...step.postOps], major, describe, [
      [ARG.source, source],
      [ARG.weights, weights],
      ...(bias === undefined ? [] : [[ARG.bias, bias] as const]),
      [ARG.target, target],
    ]),
  };
}

function planEltwise(step: EltwiseStep, major: Major, describe: Describe): StepPlan {
  const { source, target, alpha, beta } = step;
  if (major === 2) requireOneView(step.label, source.view, target.view);
  const algorithm = ELTWISE[step.algorithm][major];
  return {
    spec: {
      kind: "eltwise",
      algorithm,
      alpha,
      beta,
      source: describe(source.view),
      target: describe(target.view),
    },
    ...planPostOps(step.postOps, major, describe, [
      [ARG.source, source],
      [ARG.target, target],
    ]),
  };
}

function fromResult(algorithm: EltwiseAlgorithm): algorithm is EltwiseFromResult {
  return algorithm in ELTWISE_FROM_RESULT;
}

function planEltwiseBackward(step: EltwiseBackwardStep, major: Major, describe: Describe): StepPlan {
  const { data, targetGradient, sourceGradient, alpha, beta } = step;
  if (step.fromResult && !fromResult(step.algorithm)) {
    throw new BackendError(`${step.algorithm} has no gradient from its result. Give its source.`, {
      code: "ONEDNN_ALGORITHM",
      path: `onednn: ${step.label}`,
    });
  }
  if (major === 2) requireOneView(step.label, targetGradient.view, sourceGradient.view);
  const algorithm =
    step.fromResult && fromResult(step.algorithm)
      ? ELTWISE_FROM_RESULT[step.algorithm]
      : ELTWISE[step.algorithm][major];
  const view = describe(data.view);
  return {
    spec: {
      kind: "eltwiseBackward",
      algorithm,
      alpha,
      beta,
      data: view,
      targetGradient: describe(targetGradient.view),
      sourceGradient: describe(sourceGradient.view),
    },
    forward: { kind: "eltwise", algorithm, alpha, beta, source: view, target: view },
    postOps: [],
    arguments: [
      [step.fromResult ? ARG.target : ARG.source, data],
      [ARG.targetGradient, targetGradient],
      [ARG.sourceGradient, sourceGradient],
    ],
  };
}

function planBinary(step: BinaryStep, major: Major, describe: Describe): StepPlan {
  const { left, right, target } = step;
  return {
    spec: {
      kind: "binary",
      algorithm: BINARY[step.algorithm],
      left: describe(left.view),
      right: describe(right.view),
      target: describe(target.view),
    },
    ...planPostOps(step.postOps, major, describe, [
      [ARG.source, left],
      [ARG.source1, right],
      [ARG.target, target],
    ]),
  };
}

function planLayerNorm(step: LayerNormStep, major: Major, describe: Describe): StepPlan {
  const { source, target, mean, variance, gain, shift, epsilon } = step;
  if (major === 2) requireOneView(step.label, source.view, target.view);
  const training = mean !== undefined && variance !== undefined;
  const { useScale, useShift } = NORMALIZATION[major];
  return {
    spec: {
      kind: "layerNorm",
      propagation: training ? PROPAGATION.forwardTraining : PROPAGATION.forwardInference,
      epsilon,
      flags: (gain === undefined ? 0 : useScale) | (shift === undefined ? 0 : useShift),
      source: describe(source.view),
      target: describe(target.view),
      statistics: describe(mean?.view ?? denseView("f32", source.view.dims.slice(0, -1))),
    },
    postOps: [],
    arguments: [
      [ARG.source, source],
      [ARG.target, target],
      ...(training ? ([[ARG.mean, mean] as const, [ARG.variance, variance] as const] as const) : []),
      ...(gain === undefined ? [] : [[ARG.scale, gain] as const]),
      ...(shift === undefined ? [] : [[ARG.shift, shift] as const]),
    ],
  };
}

function planLayerNormBackward(step: LayerNormBackwardStep, major: Major, describe: Describe): StepPlan {
  const { source, mean, variance, targetGradient, sourceGradient, gain, gainGradient, shiftGradient } = step;
  if (major === 2) requireOneView(step.label, targetGradient.view, sourceGradient.view);
  const { useScale, useShift } = NORMALIZATION[major];
  const both = gain !== undefined && gainGradient !== undefined && shiftGradient !== undefined;
  const flags = (gain === undefined ? 0 : useScale) | (both ? useShift : 0);
  const { epsilon } = step;
  const statistics = describe(mean.view);
  const sourceView = describe(source.view);
  return {
    spec: {
      kind: "layerNormBackward",
      propagation: both ? PROPAGATION.backward : PROPAGATION.backwardData,
      epsilon,
      flags,
      source: sourceView,
      targetGradient: describe(targetGradient.view),
      sourceGradient: describe(sourceGradient.view),
      statistics,
    },
    forward: {
      kind: "layerNorm",
      propagation: PROPAGATION.forwardTraining,
      epsilon,
      flags,
      source: sourceView,
      target: sourceView,
      statistics,
    },
    postOps: [],
    arguments: [
      [ARG.source, source],
      [ARG.mean, mean],
      [ARG.variance, variance],
      [ARG.targetGradient, targetGradient],
      [ARG.sourceGradient, sourceGradient],
      ...(gain === undefined ? [] : [[ARG.scale, gain] as const]),
      ...(gain === undefined || !both
        ? []
        : ([
            // No gradient depends on the shift, yet the library wants one: any vector of its size will do.
            [ARG.shift, gain],
            [ARG.scaleGradient, gainGradient],
            [ARG.shiftGradient, shiftGradient],
          ] as const)),
    ],
  };
}

function postOpSpec(postOp: PostOp, major: Major, describe: Describe): PostOpSpec {
  switch (postOp.kind) {
    case "sum":
      return postOp;
    case "eltwise":
      return { ...postOp, algorithm: ELTWISE[postOp.algorithm][major] };
    case "binary":
      return { kind: "binary", algorithm: BINARY[postOp.algorithm], descriptor: describe(postOp.operand.view) };
  }
}

function planPostOps(
  postOps: readonly PostOp[],
  major: Major,
  describe: Describe,
  operands: readonly Argument[],
): Pick<StepPlan, "postOps" | "arguments"> {
  const specs = postOps.map((postOp) => postOpSpec(postOp, major, describe));
  const extra = postOps.flatMap((postOp, i): Argument[] =>
    postOp.kind === "binary" ? [[postOpArgument(major, i), postOp.operand]] : [],
  );
  return { postOps: specs, arguments: [...operands, ...extra] };
}

/** Major 2 describes source and target by one descriptor where major 3 has two. */
function requireOneView(label: string, a: View, b: View): void {
  const same =
    a.dtype === b.dtype &&
    a.dims.every((size, i) => size === b.dims[i]) &&
    a.strides.every((stride, i) => stride === b.strides[i] || a.dims[i] === 1);
  if (same) return;
  const [left, right] = [a, b].map(({ dtype, dims, strides }) => `${dtype}[${dims}] by [${strides}]`);
  throw new BackendError(
    `oneDNN 2 wants one view for source and target; got ${left} and ${right}. Reorder first, or use oneDNN 3.`,
    { code: "ONEDNN_VIEW", path: `onednn: ${label}` },
  );
}
