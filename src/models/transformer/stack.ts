/** @file Running a stack of layers: whole, or with the last layer at some places only. */
import type { LayerNorm } from "../../nn/layers.ts";
import type { ForwardContext } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { EncoderOutputs } from "../model.ts";
import type { LayerView, TransformerLayer } from "./layer.ts";

/** A stack and what goes into it. */
export interface StackRun {
  readonly layers: readonly TransformerLayer[];
  /** Normalises what the last layer gives, where layers normalise before their parts. */
  readonly finalNorm: LayerNorm | undefined;
  /** float `[R, W, H]`. */
  readonly start: Tensor;
  /** What the tokens of a layer may look at. */
  readonly views: (layer: number) => LayerView;
}

/** All hidden states; as Hugging Face counts them the last one is normalised. */
export function runStack(context: ForwardContext, { layers, finalNorm, start, views }: StackRun): EncoderOutputs {
  const hiddenStates = [start];
  for (const [i, layer] of layers.entries()) {
    hiddenStates.push(context.layer((x) => layer.apply(context, x, views(i)), hiddenStates.at(-1)!));
  }
  if (finalNorm !== undefined) hiddenStates.push(finalNorm.apply(context, hiddenStates.pop()!));
  return { lastHiddenState: hiddenStates.at(-1)!, hiddenStates };
}

/** The last hidden states at some places: `[P, H]` for places i32 `[P]` over all rows. */
export function runStackAt(
  context: ForwardContext,
  { layers, finalNorm, start, views }: StackRun,
  places: Tensor,
): Tensor {
  const top = layers.length - 1;
  const below = layers.slice(0, top);
  const hidden = below.reduce((x, layer, i) => context.layer((h) => layer.apply(context, h, views(i)), x), start);
  const result = layers[top]!.apply(context, hidden, views(top), places);
  return finalNorm?.apply(context, result) ?? result;
}
