/** @file The host steps of a program, ready to run. */
import { BackendError, FirthError } from "../../base/errors.ts";
import type { HostData } from "../../ir/dtype.ts";
import type { HostRun } from "./host-kernel.ts";
import { hostKernels } from "./host-kernels.ts";
import type { HostOperand, HostStep } from "./program.ts";

/** A kernel over its operands' elements. */
export interface HostWork {
  readonly run: HostRun;
  readonly inputs: HostData[];
  readonly outputs: HostData[];
}

/**
 * Makes a host step ready.
 * @param bind keeps a list of elements on those of the operands
 * @throws {BackendError} HOST_KERNEL_MISSING
 */
export function createHostWork(
  step: HostStep,
  bind: (operands: readonly HostOperand[], list: HostData[]) => void,
): HostWork {
  const kernel = hostKernels[step.kernel];
  if (kernel === undefined) {
    throw new BackendError(`there is no host kernel "${step.kernel}".`, {
      code: "HOST_KERNEL_MISSING",
      path: `onednn: ${step.label}`,
    });
  }
  const work: HostWork = { run: kernel(step), inputs: [], outputs: [] };
  bind(step.inputs, work.inputs);
  bind(step.outputs, work.outputs);
  return work;
}

/** @throws {BackendError} HOST_KERNEL_FAILED naming the step, where the kernel does not say what is wrong itself */
export function runHostWork({ run, inputs, outputs }: HostWork, label: string): void {
  try {
    run(inputs, outputs);
  } catch (cause) {
    if (cause instanceof FirthError) throw cause;
    throw new BackendError(`the host kernel failed: ${String(cause)}.`, {
      code: "HOST_KERNEL_FAILED",
      path: `onednn: ${label}`,
      cause,
    });
  }
}
