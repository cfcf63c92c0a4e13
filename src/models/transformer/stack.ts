/** @file Running a stack of layers: whole, or with the last layer at some places only. */
import type { LayerNorm } from "../../nn/layers.ts";
import type { ForwardContext } from "../../nn/module.ts";
import { select } from "../../tensor/elementwise.ts";
import { chance } from "../../tensor/random.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { EncoderOutputs } from "../model.ts";
import { type LayerView, pickPlaces, type TransformerLayer } from "./layer.ts";

/** A stack and what goes into it. */
export interface StackRun {
  readonly layers: readonly TransformerLayer[];
  /** Normalises what the last layer gives, where layers normalise before their parts. */
  readonly finalNorm: LayerNorm | undefined;
  /** float `[R, W, H]`. */
  readonly start: Tensor;
  /** What the tokens of a layer may look at. */
  readonly views: (layer: number) => LayerView;
  /** Probability that training leaves a layer out; 0 by default. */
  readonly layerDrop?: number | undefined;
}

/**
 * What a layer gives or, where it is left out, what went into it.
 * @param x float `[R, W, H]`, at the places of the result
 * @source LayerDrop: Fan et al. 2020 §3.2, arXiv:1909.11556; nothing is scaled up for it, as in transformers' BART.
 * Differs: graphs are static, so a layer that is left out is computed for nothing; its weights have a gradient of zeros
 * instead of none, so that the optimizer's means and the weight decay move them in such a step too. All rows of a
 * batch share a draw.
 */
function orNothing(context: ForwardContext, { layerDrop = 0 }: StackRun, applied: Tensor, x: () => Tensor): Tensor {
  if (!context.training || layerDrop === 0) return applied;
  return select(chance(context.randomKey(), layerDrop), x(), applied);
}

/** All hidden states; as Hugging Face counts them the last one is normalised. */
export function runStack(context: ForwardContext, run: StackRun): EncoderOutputs {
  const { layers, finalNorm, start, views } = run;
  const hiddenStates = [start];
  for (const [i, layer] of layers.entries()) {
    const x = hiddenStates.at(-1)!;
    const applied = context.layer((h) => layer.apply(context, h, views(i)), x);
    hiddenStates.push(orNothing(context, run, applied, () => x));
  }
  if (finalNorm !== undefined) hiddenStates.push(finalNorm.apply(context, hiddenStates.pop()!));
  return { lastHiddenState: hiddenStates.at(-1)!, hiddenStates };
}

/** The last hidden states at some places: `[P, H]` for places i32 `[P]` over all rows. */
export function runStackAt(context: ForwardContext, run: StackRun, places: Tensor): Tensor {
  const { layers, finalNorm, start, views } = run;
  const top = layers.length - 1;
  const hidden = layers.slice(0, top).reduce((x, layer, i) => {
    const applied = context.layer((h) => layer.apply(context, h, views(i)), x);
    return orNothing(context, run, applied, () => x);
  }, start);
  const applied = layers[top]!.apply(context, hidden, views(top), places);
  const result = orNothing(context, run, applied, () => pickPlaces(hidden, places));
  return finalNorm?.apply(context, result) ?? result;
}
