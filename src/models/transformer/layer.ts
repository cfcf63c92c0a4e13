import {
  type Adapter,
  activations,
  CrossAttention,
  dropout,
  type KeyValue,
  LayerNorm,
  Linear,
  SelfAttention,
} from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import { add } from "../../tensor/elementwise.ts";
import { gather, reshape } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LayerCache } from "../model.ts";
import type { LayerOptions } from "./options.ts";

/** What the tokens of a layer may look at. */
export interface LayerView {
  /** float, broadcast to `[R, heads, W, S]`. */
  readonly bias: Tensor;
  /** The other sequence, for layers with cross-attention. */
  readonly source?: { readonly states: Tensor | undefined; readonly bias: Tensor } | undefined;
  readonly cache?: LayerCache | undefined;
}

/** What the outputs of a layer's linear layers are: in attention to itself and to a source alike, and in the feed-forward part. */
export type ProjectionTarget = "query" | "key" | "value" | "attentionOutput" | "intermediate" | "output";

/** Attention to another sequence, with what surrounds it. */
class CrossAttentionPart extends Module {
  readonly attention: CrossAttention;
  readonly output: Linear;
  readonly norm: LayerNorm;
  /** Behind the part, before its residual. */
  outputAdapter: Adapter | undefined;

  constructor(options: LayerOptions) {
    super();
    const { hiddenSize, numAttentionHeads, attentionDropout: dropoutRate, init } = options;
    this.attention = new CrossAttention(hiddenSize, numAttentionHeads, { dropoutRate, init });
    this.output = new Linear(hiddenSize, hiddenSize, options.residualInit ?? init);
    this.norm = new LayerNorm(hiddenSize, options.layerNormEps);
  }
}

/** `[R, W, H]` at places i32 `[P]` over all rows: `[P, H]`. */
export function pickPlaces(all: Tensor, places: Tensor): Tensor {
  return gather(reshape(all, [-1, all.dim(-1)]), places);
}

export type SharingOptions = Pick<LayerOptions, "sharing" | "sharingGroups" | "numHiddenLayers">;

/** Layers of which this one takes parts, so that their weights are one. */
export interface SharedParts {
  readonly attention?: TransformerLayer | undefined;
  readonly feedForward?: TransformerLayer | undefined;
}

/**
 * One Transformer layer: self-attention, attention to a source where there is one, feed-forward; each with residual and
 * normalisation, after the sum or before the part.
 * @source Vaswani et al. 2017 §3.1, arXiv:1706.03762 (after); Radford et al. 2019 §2.3 (before)
 */
export class TransformerLayer extends Module {
  readonly attention: SelfAttention;
  readonly attentionOutput: Linear;
  readonly attentionNorm: LayerNorm;
  readonly intermediate: Linear;
  readonly output: Linear;
  readonly outputNorm: LayerNorm;
  readonly cross: CrossAttentionPart | undefined;
  /** Behind attention, and behind the feed-forward part, each before its residual. */
  attentionAdapter: Adapter | undefined;
  outputAdapter: Adapter | undefined;
  private readonly settings: LayerOptions;

  constructor(options: LayerOptions, shared: SharedParts = {}, attendsToSource = false) {
    super();
    const { hiddenSize, intermediateSize, numAttentionHeads, layerNormEps, init, residualInit = init } = options;
    const dropoutRate = options.attentionDropout;
    const { attention, feedForward } = shared;
    this.attention = attention?.attention ?? new SelfAttention(hiddenSize, numAttentionHeads, { dropoutRate, init });
    this.attentionOutput = attention?.attentionOutput ?? new Linear(hiddenSize, hiddenSize, residualInit);
    this.attentionNorm = attention?.attentionNorm ?? new LayerNorm(hiddenSize, layerNormEps);
    this.intermediate = feedForward?.intermediate ?? new Linear(hiddenSize, intermediateSize, init);
    this.output = feedForward?.output ?? new Linear(intermediateSize, hiddenSize, residualInit);
    this.outputNorm = feedForward?.outputNorm ?? new LayerNorm(hiddenSize, layerNormEps);
    this.cross = attendsToSource ? new CrossAttentionPart(options) : undefined;
    this.settings = options;
  }

  /** Its linear layers, each with what its outputs are, in equal parts, as adapters name them. */
  get projections(): readonly (readonly [linear: Linear, targets: readonly ProjectionTarget[]])[] {
    const { cross } = this;
    return [
      [this.attention.qkv, ["query", "key", "value"]],
      [this.attentionOutput, ["attentionOutput"]],
      ...(cross === undefined
        ? []
        : ([
            [cross.attention.query, ["query"]],
            [cross.attention.keyValue, ["key", "value"]],
            [cross.output, ["attentionOutput"]],
          ] as const)),
      [this.intermediate, ["intermediate"]],
      [this.output, ["output"]],
    ];
  }

  /**
   * @param x float `[R, W, H]`
   * @param places i32 `[P]` over all rows: the result is that of these places, `[P, H]`; of all when left out
   */
  apply(context: ForwardContext, x: Tensor, view: LayerView, places?: Tensor): Tensor {
    const pick = (all: Tensor) => (places === undefined ? all : pickPlaces(all, places));
    // Attention to a source needs rows: places are picked after it.
    const early = this.cross === undefined ? pick : (all: Tensor) => all;
    const { cache, bias } = view;
    const extend = cache === undefined ? undefined : (fresh: KeyValue) => cache.self(fresh);
    const attended = this.residual(
      context,
      x,
      this.attentionNorm,
      early,
      (inner) => this.attentionOutput.apply(context, early(this.attention.apply(context, inner, bias, extend))),
      this.attentionAdapter,
    );
    const informed = this.cross === undefined ? attended : this.lookAtSource(context, attended, view, pick, this.cross);
    return this.residual(
      context,
      informed,
      this.outputNorm,
      (all) => all,
      (inner) => this.feedForward(context, inner),
      this.outputAdapter,
    );
  }

  /** A part with its residual: norm(x + part(x)), or x + part(norm(x)). */
  private residual(
    context: ForwardContext,
    x: Tensor,
    norm: LayerNorm,
    pick: (all: Tensor) => Tensor,
    part: (inner: Tensor) => Tensor,
    adapter: Adapter | undefined,
  ): Tensor {
    const isPre = this.settings.normalization === "pre";
    const change = dropout(context, part(isPre ? norm.apply(context, x) : x), this.settings.hiddenDropout);
    const adapted = adapter === undefined ? change : add(change, adapter.apply(context, change));
    const sum = add(adapted, pick(x));
    return isPre ? sum : norm.apply(context, sum);
  }

  private lookAtSource(
    context: ForwardContext,
    x: Tensor,
    { source, cache }: LayerView,
    pick: (all: Tensor) => Tensor,
    { attention, output, norm, outputAdapter }: CrossAttentionPart,
  ): Tensor {
    const project = () => attention.project(context, source!.states!);
    const keyValue = cache === undefined ? project() : cache.source(project);
    return this.residual(
      context,
      x,
      norm,
      pick,
      (inner) => output.apply(context, pick(attention.apply(context, inner, keyValue, source!.bias))),
      outputAdapter,
    );
  }

  private feedForward(context: ForwardContext, x: Tensor): Tensor {
    const { activation, activationDropout = 0 } = this.settings;
    const inner = activations[activation](this.intermediate.apply(context, x));
    return this.output.apply(context, dropout(context, inner, activationDropout));
  }
}

/** Numbers of the layers whose parts a layer has: itself, or the first of its group. */
export function sharedOwners(
  { sharing = "none", sharingGroups = 1, numHiddenLayers }: SharingOptions,
  layer: number,
): { readonly attention: number; readonly feedForward: number } {
  const group = (i: number): number => Math.floor(i / (numHiddenLayers / sharingGroups));
  let first = layer;
  while (first > 0 && group(first - 1) === group(layer)) first--;
  return {
    attention: sharing === "all" || sharing === "attention" ? first : layer,
    feedForward: sharing === "all" || sharing === "feedForward" ? first : layer,
  };
}

/** The layers of a stack; shared parts belong to the first that has them. */
export function transformerLayers(options: LayerOptions, attendsToSource = false): TransformerLayer[] {
  const layers: TransformerLayer[] = [];
  for (let i = 0; i < options.numHiddenLayers; i++) {
    const { attention, feedForward } = sharedOwners(options, i);
    const shared = { attention: layers[attention], feedForward: layers[feedForward] };
    layers.push(new TransformerLayer(options, shared, attendsToSource));
  }
  return layers;
}
