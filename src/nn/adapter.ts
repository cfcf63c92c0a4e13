/** @file What adapters add to layers: low-rank changes of linear layers, and small networks behind parts of a layer. */
import { mul, zeros } from "../tensor/elementwise.ts";
import { linear } from "../tensor/fused.ts";
import { concatenate } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { kaimingUniform, truncatedNormal, zeros as zerosInit } from "./initializer.ts";
import { type Activation, activations, dropout, Linear } from "./layers.ts";
import { type ForwardContext, Module, Parameter } from "./module.ts";

/** Which outputs of a linear layer a pair changes, and how. */
export interface LowRankPairOptions {
  /** What the outputs are called, e.g. `query`. */
  readonly target: string;
  /** First of the layer's outputs that it changes. */
  readonly first: number;
  /** How many. */
  readonly size: number;
  readonly rank: number;
  /** Factor of B·A: alpha / rank. */
  readonly scaling: number;
}

/**
 * A change B·A of some rows of a weight. A is drawn as PyTorch draws a linear layer, B is 0: at first nothing changes.
 * @source Hu et al. 2021 §4.1, arXiv:2106.09685; the authors' repository, as peft, draws A with `kaiming_uniform_(a=√5)`
 */
export class LowRankPair extends Module {
  /** `[rank, I]`. */
  readonly a: Parameter;
  /** `[size, rank]`. */
  readonly b: Parameter;
  readonly settings: LowRankPairOptions;

  constructor(inSize: number, options: LowRankPairOptions) {
    super();
    this.a = new Parameter([options.rank, inSize], kaimingUniform, { decays: true });
    this.b = new Parameter([options.size, options.rank], zerosInit, { decays: true });
    this.settings = options;
  }
}

/**
 * Changes of a linear layer, of some of its outputs each: y + scaling · B·A·x.
 *
 * Differs from peft: changes of one layer (query, key and value are one here) drop out the same inputs.
 */
export class LowRankUpdate extends Module {
  readonly pairs: readonly LowRankPair[];
  /** Of what goes into A, in training. */
  readonly dropoutRate: number;
  /** The layer's outputs. */
  private readonly outSize: number;

  constructor(outSize: number, pairs: readonly LowRankPair[], dropoutRate: number) {
    super();
    this.pairs = [...pairs].sort((one, other) => one.settings.first - other.settings.first);
    this.dropoutRate = dropoutRate;
    this.outSize = outSize;
  }

  /** What is added to the layer's outputs for its inputs: `[…, I]` → `[…, O]`. */
  apply(context: ForwardContext, x: Tensor): Tensor {
    const a = concatenate(
      this.pairs.map((pair) => context.parameter(pair.a)),
      0,
    );
    const inner = linear(dropout(context, x, this.dropoutRate), a);
    return linear(inner, this.spread(context));
  }

  /** All scaled B in one `[O, Σ rank]`: each at its rows and its columns, 0 elsewhere. */
  private spread(context: ForwardContext): Tensor {
    const width = this.pairs.reduce((sum, { settings }) => sum + settings.rank, 0);
    const blocks: Tensor[] = [];
    let [row, column] = [0, 0];
    for (const { b: parameter, settings } of this.pairs) {
      const { first, size, rank, scaling } = settings;
      const b = mul(context.parameter(parameter), scaling);
      if (first > row) blocks.push(zeros([first - row, width], b.dtype));
      const left = column === 0 ? [] : [zeros([size, column], b.dtype)];
      const right = column + rank === width ? [] : [zeros([size, width - column - rank], b.dtype)];
      blocks.push(concatenate([...left, b, ...right], 1));
      row = first + size;
      column += rank;
    }
    if (row < this.outSize) blocks.push(zeros([this.outSize - row, width], blocks[0]!.dtype));
    return concatenate(blocks, 0);
  }
}

/** Deviation of new weights: small enough that the network is nearly what it was. @source Houlsby et al. 2019 §3.6 */
const NEAR_IDENTITY = 1e-3;

export interface BottleneckOptions {
  /** Width inside. */
  readonly size: number;
  readonly activation: Activation;
}

/**
 * A small network with a residual behind a part of a layer: x + up(activation(down(x))), at first nearly x.
 * @source Houlsby et al. 2019 §2.1, arXiv:1902.00751
 */
export class BottleneckAdapter extends Module {
  readonly down: Linear;
  readonly up: Linear;
  readonly settings: BottleneckOptions;

  constructor(hiddenSize: number, options: BottleneckOptions) {
    super();
    this.down = new Linear(hiddenSize, options.size, truncatedNormal(NEAR_IDENTITY));
    this.up = new Linear(options.size, hiddenSize, truncatedNormal(NEAR_IDENTITY));
    this.settings = options;
  }

  /** What is added to the part's result: `[…, H]` → `[…, H]`. */
  apply(context: ForwardContext, x: Tensor): Tensor {
    return this.up.apply(context, activations[this.settings.activation](this.down.apply(context, x)));
  }
}
