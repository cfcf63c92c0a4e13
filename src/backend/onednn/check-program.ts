/** @file Refuses programs whose operands leave their places, before any address reaches native code. */
import { BackendError } from "../../base/errors.ts";
import { dtypeBytes, type TensorType } from "../../ir/dtype.ts";
import { sizeOf } from "../../ir/shape.ts";
import {
  dnnDTypeBytes,
  type HostOperand,
  type Operand,
  type Place,
  type PostOp,
  type Program,
  type RecurrentOperands,
  type Step,
} from "./program.ts";

/** Bytes from an operand's first element to the end of its last. */
export function extentBytes(dims: readonly number[], strides: readonly number[], elementBytes: number): number {
  let last = 0;
  for (const [axis, size] of dims.entries()) {
    if (size === 0) return 0;
    last += (size - 1) * strides[axis]!;
  }
  return (last + 1) * elementBytes;
}

function bytesOf({ dtype, shape }: TensorType): number {
  return sizeOf(shape) * dtypeBytes[dtype];
}

function recurrentOperands(operands: RecurrentOperands): Operand[] {
  return Object.values(operands).filter((operand) => operand !== undefined);
}

function postOpOperands(postOps: readonly PostOp[]): Operand[] {
  return postOps.flatMap((postOp) => (postOp.kind === "binary" ? [postOp.operand] : []));
}

/** The library operands of a step. */
export function operandsOf(step: Step): readonly Operand[] {
  switch (step.kind) {
    case "host":
      return [];
    case "recurrent":
      return recurrentOperands(step.operands);
    case "recurrentBackward":
      return [...recurrentOperands(step.operands), ...recurrentOperands(step.gradients)];
    case "sum":
    case "concat":
      return [...step.sources, step.target];
    default: {
      const own = Object.values(step).filter(
        (value): value is Operand => typeof value === "object" && value !== null && "view" in value,
      );
      return "postOps" in step ? [...own, ...postOpOperands(step.postOps)] : own;
    }
  }
}

function refuse(label: string, message: string): never {
  throw new BackendError(message, { code: "ONEDNN_PROGRAM", path: `onednn: ${label}` });
}

function checkPlace(program: Program, label: string, place: Place, bytes: number, elementBytes: number): void {
  const offset = place.kind === "constant" ? 0 : place.offset;
  const index = place.kind === "arena" ? 0 : place.index;
  const types = { input: program.inputs, output: program.outputs, constant: program.constants };
  const type = place.kind === "arena" ? undefined : types[place.kind][index];
  if (place.kind !== "arena" && type === undefined) {
    refuse(label, `${place.kind} ${index} does not exist; the program has ${types[place.kind].length}.`);
  }
  const available = type === undefined ? program.arenaBytes : bytesOf(type);
  const whole = Number.isSafeInteger(offset) && offset >= 0 && offset % elementBytes === 0;
  if (!whole || offset + bytes > available) {
    const name = place.kind === "arena" ? "the arena" : `${place.kind} ${index}`;
    refuse(label, `bytes ${offset}..${offset + bytes} do not lie in ${name} of ${available} bytes.`);
  }
}

function checkShape(label: string, dims: readonly number[], strides: readonly number[]): void {
  const whole = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
  if (dims.length !== strides.length || !dims.every(whole) || !strides.every(whole)) {
    refuse(label, `dims and strides must be as many whole numbers; got [${dims}] by [${strides}].`);
  }
}

function checkOperand(program: Program, label: string, { view, place }: Operand): void {
  const { dtype, dims, strides } = view;
  checkShape(label, dims, strides);
  if (dims.length === 0 || dims.length > 12 || dims.some((size) => size === 0)) {
    refuse(label, `the library takes 1 to 12 dims of 1 or more; got [${dims}].`);
  }
  const elementBytes = dnnDTypeBytes[dtype];
  checkPlace(program, label, place, extentBytes(dims, strides, elementBytes), elementBytes);
}

function checkHostOperand(program: Program, label: string, operand: HostOperand): void {
  checkShape(label, operand.shape, operand.strides);
  const elementBytes = dtypeBytes[operand.dtype];
  checkPlace(program, label, operand.place, extentBytes(operand.shape, operand.strides, elementBytes), elementBytes);
}

/** @throws {BackendError} ONEDNN_PROGRAM naming the step and the operand's bytes */
export function checkProgram(program: Program): void {
  for (const step of program.steps) {
    if (step.kind === "host") {
      for (const operand of [...step.inputs, ...step.outputs]) checkHostOperand(program, step.label, operand);
    } else {
      for (const operand of operandsOf(step)) checkOperand(program, step.label, operand);
    }
  }
}
