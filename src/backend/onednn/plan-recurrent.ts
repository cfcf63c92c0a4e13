/** @file Recurrent steps as primitives. */
import { ARG, PROPAGATION } from "./binding/constant.ts";
import type { Descriptor, PrimitiveSpec, RecurrentDescriptors } from "./binding/primitive-spec.ts";
import {
  denseView,
  type Operand,
  type RecurrentBackwardStep,
  type RecurrentOperands,
  type RecurrentStep,
  type View,
} from "./program.ts";

interface RecurrentPlan {
  readonly spec: PrimitiveSpec;
  readonly forward?: PrimitiveSpec;
  readonly postOps: readonly [];
  readonly arguments: readonly (readonly [number, Operand])[];
}

type Describe = (view: View) => Descriptor;

const FORWARD: Readonly<Record<keyof RecurrentOperands, number>> = {
  source: ARG.source,
  initialHidden: ARG.source1,
  initialCell: ARG.source2,
  weightsInput: ARG.weights,
  weightsHidden: ARG.weights1,
  bias: ARG.bias,
  target: ARG.target,
  finalHidden: ARG.target1,
  finalCell: ARG.target2,
};

const GRADIENT: Readonly<Record<keyof RecurrentOperands, number>> = {
  source: ARG.sourceGradient,
  initialHidden: ARG.sourceGradient1,
  initialCell: ARG.sourceGradient2,
  weightsInput: ARG.weightsGradient,
  weightsHidden: ARG.weightsGradient1,
  bias: ARG.biasGradient,
  target: ARG.targetGradient,
  finalHidden: ARG.targetGradient1,
  finalCell: ARG.targetGradient2,
};

function describeAll(operands: RecurrentOperands, describe: Describe): RecurrentDescriptors {
  const of = (operand: Operand | undefined): Descriptor => (operand === undefined ? 0 : describe(operand.view));
  return {
    source: of(operands.source),
    initialHidden: of(operands.initialHidden),
    initialCell: of(operands.initialCell),
    weightsInput: of(operands.weightsInput),
    weightsHidden: of(operands.weightsHidden),
    bias: of(operands.bias),
    target: of(operands.target),
    finalHidden: of(operands.finalHidden),
    finalCell: of(operands.finalCell),
  };
}

function argumentsOf(
  operands: RecurrentOperands,
  numbers: Readonly<Record<keyof RecurrentOperands, number>>,
): (readonly [number, Operand])[] {
  return (Object.keys(numbers) as (keyof RecurrentOperands)[]).flatMap((name) => {
    const operand = operands[name];
    return operand === undefined ? [] : [[numbers[name], operand] as const];
  });
}

const dense = ({ dtype, dims }: View): View => denseView(dtype, dims);

export function planRecurrent(step: RecurrentStep, direction: number, describe: Describe): RecurrentPlan {
  const training = step.workspace !== undefined;
  return {
    spec: {
      kind: "recurrent",
      cell: step.cell,
      propagation: training ? PROPAGATION.forwardTraining : PROPAGATION.forwardInference,
      direction,
      operands: describeAll(step.operands, describe),
    },
    postOps: [],
    arguments: argumentsOf(step.operands, FORWARD),
  };
}

export function planRecurrentBackward(
  step: RecurrentBackwardStep,
  direction: number,
  describe: Describe,
): RecurrentPlan {
  const operands = describeAll(step.operands, describe);
  return {
    spec: {
      kind: "recurrentBackward",
      cell: step.cell,
      direction,
      operands,
      gradients: describeAll(step.gradients, describe),
    },
    forward: {
      kind: "recurrent",
      cell: step.cell,
      propagation: PROPAGATION.forwardTraining,
      direction,
      // The forward pass reads weights by rows, the backward pass by columns.
      operands: {
        ...operands,
        weightsInput: describe(dense(step.operands.weightsInput.view)),
        weightsHidden: describe(dense(step.operands.weightsHidden.view)),
      },
    },
    postOps: [],
    arguments: [...argumentsOf(step.operands, FORWARD), ...argumentsOf(step.gradients, GRADIENT)],
  };
}
