/** @file The weights of linear layers in int8, for prediction. */
import { Linear } from "./layers.ts";
import { Module, type Parameter } from "./module.ts";

/** A weight `[O, I]` in 8 bits, transposed as `quantizedLinear` takes it. */
export interface QuantizedWeight {
  /** i8 `[I, O]`, in [−127, 127]. */
  readonly levels: Int8Array;
  /** f32 `[O]`: what one level of an output's weights is worth. */
  readonly scale: Float32Array;
}

/** Layers with fewer outputs stay as they are: heads are small, and their outputs are the scores. */
const FEWEST_OUTPUTS = 64;
const LARGEST_LEVEL = 127;
/** Outputs transposed together, so that memory is written in runs. */
const BLOCK = 16;

/** The weights of the linear layers below a module that are worth quantizing. */
export function quantizableWeights(root: Module): Set<Parameter> {
  const found = new Set<Parameter>();
  const seen = new Set<object>();
  const visit = (item: unknown): void => {
    if (item === null || typeof item !== "object" || seen.has(item)) return;
    if (!(item instanceof Module || Array.isArray(item))) return;
    seen.add(item);
    if (item instanceof Linear && item.weight.shape[0]! >= FEWEST_OUTPUTS) found.add(item.weight);
    for (const child of Object.values(item)) visit(child);
  };
  visit(root);
  return found;
}

/**
 * Rounds a weight to 255 levels an output, symmetric around 0. Dims: I in, O out.
 * @param weight f32 `[O, I]`
 */
export function quantizeWeight(weight: Float32Array, outputs: number): QuantizedWeight {
  const inputs = weight.length / outputs;
  const scale = new Float32Array(outputs);
  const levels = new Int8Array(weight.length);
  for (let o = 0; o < outputs; o++) {
    let largest = 0;
    for (let i = o * inputs; i < (o + 1) * inputs; i++) largest = Math.max(largest, Math.abs(weight[i]!));
    scale[o] = largest === 0 ? 1 : largest / LARGEST_LEVEL;
  }
  for (let first = 0; first < outputs; first += BLOCK) {
    const last = Math.min(outputs, first + BLOCK);
    for (let i = 0; i < inputs; i++) {
      for (let o = first; o < last; o++) {
        const level = Math.round(weight[o * inputs + i]! / scale[o]!);
        levels[i * outputs + o] = Math.max(-LARGEST_LEVEL, Math.min(LARGEST_LEVEL, level));
      }
    }
  }
  return { levels, scale };
}
