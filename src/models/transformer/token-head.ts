/** @file Networks with a linear head over every token. */
import { ConditionalRandomField } from "../../nn/conditional-random-field.ts";
import type { Initializer } from "../../nn/initializer.ts";
import { dropout, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { NetworkDefinition } from "../define-family.ts";
import type { Encoder, TokenModel } from "../model.ts";

export interface TokenClassifierOptions {
  readonly numLabels: number;
  /** Before the scores. */
  readonly dropout: number;
  readonly init: Initializer;
  /** Scores neighbouring classes too. */
  readonly crf: boolean;
}

/** A class for every token: dropout and a linear layer on its hidden state. @source Devlin et al. 2019 §5.3, arXiv:1810.04805 */
export class TokenClassifier extends Module implements TokenModel {
  readonly encoder: Encoder;
  readonly tokenClassifier: Linear;
  readonly crf: ConditionalRandomField | undefined;
  readonly tokenHead = "tokenClassification";
  readonly numOutputs: number;
  private readonly dropoutRate: number;

  constructor(encoder: Encoder, options: TokenClassifierOptions) {
    super();
    this.encoder = encoder;
    this.tokenClassifier = new Linear(encoder.hiddenSize, options.numLabels, options.init);
    this.crf = options.crf ? new ConditionalRandomField(options.numLabels) : undefined;
    this.numOutputs = options.numLabels;
    this.dropoutRate = options.dropout;
  }

  tokenLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.tokenClassifier.apply(context, dropout(context, hidden, this.dropoutRate));
  }
}

/** How well an answer begins and ends at every token: a linear layer. @source Devlin et al. 2019 §4.2, arXiv:1810.04805 */
export class AnswerSpanModel extends Module implements TokenModel {
  readonly encoder: Encoder;
  readonly answerSpan: Linear;
  readonly tokenHead = "questionAnswering";
  readonly numOutputs = 2;

  constructor(encoder: Encoder, init: Initializer) {
    super();
    this.encoder = encoder;
    this.answerSpan = new Linear(encoder.hiddenSize, this.numOutputs, init);
  }

  tokenLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.answerSpan.apply(context, hidden);
  }
}

/** What a family's networks with such heads are made of. */
export interface TokenNetworkParts<C> {
  /** What class names in config.json begin with, e.g. `Bert`. */
  readonly name: string;
  /** Without a pooler, which they have not. */
  readonly encoder: (config: C) => Encoder;
  readonly init: (config: C) => Initializer;
  /** Before the classes' scores; answers have none. */
  readonly dropout: (config: C) => number;
}

/** Both heads over every token, for a family that has both. */
export function tokenNetworks<C>({ name, encoder, init, dropout: rate }: TokenNetworkParts<C>): {
  readonly tokenClassification: NetworkDefinition<(config: C, numLabels: number, crf: boolean) => TokenModel>;
  readonly questionAnswering: NetworkDefinition<(config: C) => TokenModel>;
} {
  return {
    tokenClassification: {
      build: (config, numLabels, crf) =>
        new TokenClassifier(encoder(config), { numLabels, crf, dropout: rate(config), init: init(config) }),
      architecture: `${name}ForTokenClassification`,
      mayBeNew: /^(tokenClassifier|crf)\./,
    },
    questionAnswering: {
      build: (config) => new AnswerSpanModel(encoder(config), init(config)),
      architecture: `${name}ForQuestionAnswering`,
      mayBeNew: /^answerSpan\./,
    },
  };
}
