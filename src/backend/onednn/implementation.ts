/** @file Which steps may share a primitive, and which implementations of the library are good enough. */
import { BackendError } from "../../base/errors.ts";
import { operandsOf } from "./check-program.ts";
import type { PrimitiveStep } from "./plan-step.ts";
import { referenceLimit } from "./program.ts";

/** What a primitive depends on: everything but where its operands lie. Recurrent ones own a workspace each. */
export function primitiveKey(step: PrimitiveStep): string | undefined {
  if (step.kind === "recurrent" || step.kind === "recurrentBackward") return undefined;
  return JSON.stringify(step, (name, value: unknown) => (name === "place" || name === "label" ? undefined : value));
}

/**
 * Refuses a reference implementation: it is a plain loop, fine for a few elements, a trap for many.
 * @throws {BackendError} ONEDNN_REFERENCE
 */
export function checkImplementation(step: PrimitiveStep, implementation: string): void {
  if (step.acceptReference === true || !implementation.startsWith("ref")) return;
  const views = operandsOf(step).map(({ view }) => view);
  const largest = Math.max(...views.map(({ dims }) => dims.reduce((a, b) => a * b, 1)));
  if (largest <= referenceLimit) return;
  const shapes = views.map(({ dtype, dims, strides }) => `${dtype}[${dims}] by [${strides}]`).join(", ");
  throw new BackendError(
    `oneDNN has only its slow reference implementation (${implementation}) of this ${step.kind}: ${shapes}. Formulate it differently, or accept it.`,
    { code: "ONEDNN_REFERENCE", path: `onednn: ${step.label}`, details: { implementation } },
  );
}
