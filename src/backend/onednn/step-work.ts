/** @file How much a step computes: waking other threads costs more than small ones. */
import { sizeOf } from "../../ir/shape.ts";
import { operandsOf } from "./check-program.ts";
import type { Step } from "./program.ts";

/** Multiply-adds of a product below which one thread is faster than two: some 10 µs. */
const SMALL_PRODUCT = 1 << 20;
/** Elements of the largest operand below which one thread is faster. */
const SMALL_PASS = 1 << 15;

/** Whether a step is better off without other threads; besides, these may be busy elsewhere, and would be waited for. */
export function isSmall(step: Step): boolean {
  switch (step.kind) {
    case "host":
      return false;
    case "matmul":
      return sizeOf(step.target.view.dims) * step.source.view.dims.at(-1)! < SMALL_PRODUCT;
    case "recurrent":
    case "recurrentBackward":
      return false;
    default:
      return operandsOf(step).every(({ view }) => sizeOf(view.dims) < SMALL_PASS);
  }
}
