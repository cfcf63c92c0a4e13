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
/** Added and taken away again, it rounds a double of few digits to the nearest whole number, several times as fast as Math.round. */
const ROUNDER = 1.5 * 2 ** 52;

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
    for (let i = o * inputs; i < (o + 1) * inputs; i++) {
      const size = Math.abs(weight[i]!);
      if (size > largest) largest = size;
    }
    scale[o] = largest === 0 ? 1 : largest / LARGEST_LEVEL;
  }
  for (let first = 0; first < outputs; first += BLOCK) {
    const last = Math.min(outputs, first + BLOCK);
    for (let i = 0; i < inputs; i++) {
      // At most 127 in size, because the largest weight of an output is 127 of its scale but for rounding.
      for (let o = first; o < last; o++) {
        levels[i * outputs + o] = weight[o * inputs + i]! / scale[o]! + ROUNDER - ROUNDER;
      }
    }
  }
  return { levels, scale };
}
