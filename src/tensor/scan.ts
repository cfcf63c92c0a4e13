import { refuse } from "../ir/rule.ts";
import { tensorType } from "../ir/shape.ts";
import type { Tensor } from "./tensor.ts";
import { emit, traceClosure } from "./trace.ts";

export interface ScanOptions {
  /** Start at the last entry; stacked outputs keep the order of their inputs. */
  readonly reverse?: boolean;
  /** Number of steps; needed only when there is no sequence to take it from. */
  readonly length?: number;
}

export interface ScanResult {
  readonly carries: readonly Tensor[];
  /** Outputs of all steps, stacked on a new leading axis. */
  readonly outputs: readonly Tensor[];
}

/**
 * Runs a step over the leading axis of the sequences, carrying state from step to step.
 *
 * @param step takes carries and one entry of each sequence, gives new carries and outputs; it may use outer tensors
 * @param carries first state
 * @param sequences tensors `[length, …]`
 */
export function scan(
  step: (carries: readonly Tensor[], entries: readonly Tensor[]) => ScanResult,
  carries: readonly Tensor[],
  sequences: readonly Tensor[],
  options: ScanOptions = {},
): ScanResult {
  const length = options.length ?? sequences[0]?.shape[0];
  if (length === undefined || sequences.some((x) => x.shape[0] !== length)) {
    refuse("scan", "needs sequences of one length, or the length option", sequences);
  }
  const entryTypes = sequences.map((x) => tensorType(x.dtype, x.shape.slice(1)));
  let numOutputs = 0;
  const { graph, captured } = traceClosure("scan", [...carries, ...entryTypes], (inputs) => {
    const result = step(inputs.slice(0, carries.length), inputs.slice(carries.length));
    if (result.carries.length !== carries.length) refuse("scan", "the step must return every carry", carries);
    numOutputs = result.outputs.length;
    return [...result.carries, ...result.outputs];
  });
  // The primitive wants constants first; closures have them last.
  const own = carries.length + sequences.length;
  const body = { ...graph, inputs: [...graph.inputs.slice(own), ...graph.inputs.slice(0, own)] };
  const results = emit("scan", [...captured, ...carries, ...sequences], {
    body,
    numConsts: captured.length,
    numCarries: carries.length,
    length,
    reverse: options.reverse ?? false,
  });
  return {
    carries: results.slice(0, carries.length),
    outputs: results.slice(carries.length, carries.length + numOutputs),
  };
}
