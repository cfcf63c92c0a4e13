/** @file A network that scores one option of several. */
import type { Initializer } from "../../nn/initializer.ts";
import { dropout, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NetworkDefinition } from "../define-family.ts";
import type { ChoiceModel, Encoder } from "../model.ts";

/**
 * One score for a question with one of its options: dropout and a linear layer on the pooled token. Which option is chosen is a
 * matter of the softmax over the scores of all.
 * @source Radford et al. 2018 §3.3; Devlin et al. 2019 §4.4, arXiv:1810.04805. Differs: with a bias, as transformers has it
 */
export class ChoiceNetwork extends Module implements ChoiceModel {
  readonly encoder: Encoder;
  readonly choice: Linear;
  readonly numLabels = 1;
  readonly isChoice = true;
  private readonly dropoutRate: number;

  constructor(encoder: Encoder, options: { readonly dropout: number; readonly init: Initializer }) {
    super();
    this.encoder = encoder;
    this.choice = new Linear(encoder.hiddenSize, 1, options.init);
    this.dropoutRate = options.dropout;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    return this.choice.apply(context, dropout(context, pooled, this.dropoutRate));
  }
}

/** What a family's network for options is made of. */
export interface ChoiceNetworkParts<C> {
  /** Class name in config.json. */
  readonly architecture: string;
  /** With its pooler, where the family has one. */
  readonly encoder: (config: C) => Encoder;
  readonly init: (config: C) => Initializer;
  readonly dropout: (config: C) => number;
}

/** The network for options of a family. */
export function choiceNetwork<C>({ architecture, encoder, init, dropout: rate }: ChoiceNetworkParts<C>): {
  readonly multipleChoice: NetworkDefinition<(config: C) => ChoiceModel>;
} {
  return {
    multipleChoice: {
      build: (config) => new ChoiceNetwork(encoder(config), { dropout: rate(config), init: init(config) }),
      architecture,
      mayBeNew: /^(choice|encoder\.pooler)\./,
    },
  };
}
