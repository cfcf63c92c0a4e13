import { dropout, Embedding, LayerNorm, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import { add, mul } from "../../tensor/elementwise.ts";
import { sliceAxis } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { EncoderInputs } from "../model.ts";
import type { EmbeddingOptions } from "./options.ts";

/** Adds the vector of each token's kind, or that of kind 0 to all. */
function addKind(context: ForwardContext, sum: Tensor, table: Embedding | undefined, ids: Tensor | undefined): Tensor {
  if (table === undefined) return sum;
  return add(sum, ids === undefined ? sliceAxis(context.parameter(table.weight), 0, 0, 1) : table.apply(context, ids));
}

/** Sum of word, position and (where a family has them) segment and task embeddings; normalised and projected where it does so. */
export class TransformerEmbeddings extends Module {
  readonly wordEmbeddings: Embedding;
  readonly positionEmbeddings: Embedding;
  readonly tokenTypeEmbeddings: Embedding | undefined;
  readonly taskTypeEmbeddings: Embedding | undefined;
  readonly layerNorm: LayerNorm | undefined;
  readonly projection: Linear | undefined;
  private readonly settings: EmbeddingOptions;

  /** @param words another part's word embeddings, to share them */
  constructor(options: EmbeddingOptions, words?: Embedding) {
    super();
    const { vocabSize, hiddenSize, embeddingSize = hiddenSize, positionOffset = 0, typeVocabSize, init } = options;
    const { taskTypeVocabSize = 0 } = options;
    this.wordEmbeddings = words ?? new Embedding(vocabSize, embeddingSize, init);
    this.positionEmbeddings = new Embedding(options.maxPositionEmbeddings + positionOffset, embeddingSize, init);
    this.tokenTypeEmbeddings = typeVocabSize > 0 ? new Embedding(typeVocabSize, embeddingSize, init) : undefined;
    this.taskTypeEmbeddings = taskTypeVocabSize > 0 ? new Embedding(taskTypeVocabSize, embeddingSize, init) : undefined;
    this.layerNorm = options.normalizes ? new LayerNorm(embeddingSize, options.layerNormEps) : undefined;
    this.projection = embeddingSize === hiddenSize ? undefined : new Linear(embeddingSize, hiddenSize, init);
    this.settings = options;
  }

  /** `[R, W]` tokens → `[R, W, H]`. */
  apply(context: ForwardContext, inputs: EncoderInputs): Tensor {
    const { scale = 1, positionOffset = 0, dropout: rate } = this.settings;
    const words = this.wordEmbeddings.apply(context, inputs.inputIds);
    const places = positionOffset === 0 ? inputs.positionIds : add(inputs.positionIds, positionOffset);
    const sum = add(scale === 1 ? words : mul(words, scale), this.positionEmbeddings.apply(context, places));
    const isTyped = this.settings.typeVocabSize > 1;
    const typed = addKind(context, sum, this.tokenTypeEmbeddings, isTyped ? inputs.tokenTypeIds : undefined);
    const whole = addKind(context, typed, this.taskTypeEmbeddings, inputs.taskTypeIds);
    const result = dropout(context, this.layerNorm?.apply(context, whole) ?? whole, rate);
    return this.projection?.apply(context, result) ?? result;
  }
}
