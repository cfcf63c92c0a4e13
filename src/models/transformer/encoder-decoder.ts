import { internalError } from "../../base/errors.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import { compare, full, select } from "../../tensor/elementwise.ts";
import { concatenate, sliceAxis } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Encoder, EncoderInputs, EncoderOutputs, PastTokens, SourceStates } from "../model.ts";
import { TransformerDecoder, type TransformerDecoderOptions } from "./decoder.ts";
import { TransformerEncoder, type TransformerEncoderOptions } from "./encoder.ts";

export interface EncoderDecoderOptions {
  readonly encoder: TransformerEncoderOptions;
  readonly decoder: TransformerDecoderOptions;
}

/**
 * An encoder and a decoder with one table of words. As an `Encoder` it reads a text with both: the text goes into the
 * encoder and, one place to the right inside each sequence, into the decoder, whose states are the result. The last token
 * sums a sequence up: it alone sees all of it from both sides.
 * @source Lewis et al. 2020 §3.1, arXiv:1910.13461
 */
export class EncoderDecoder extends Module implements Encoder {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;
  readonly pooledToken = "last";
  readonly isCausal = false;

  constructor(options: EncoderDecoderOptions) {
    super();
    this.encoder = new TransformerEncoder(options.encoder);
    this.decoder = new TransformerDecoder(options.decoder, this.encoder.embeddings.wordEmbeddings);
  }

  get hiddenSize(): number {
    return this.encoder.hiddenSize;
  }

  get vocabSize(): number {
    return this.encoder.vocabSize;
  }

  get maxPositionEmbeddings(): number {
    return this.encoder.maxPositionEmbeddings;
  }

  get typeVocabSize(): number {
    return this.encoder.typeVocabSize;
  }

  get numHiddenLayers(): number {
    return this.decoder.numHiddenLayers;
  }

  encode(context: ForwardContext, inputs: EncoderInputs, past?: PastTokens): EncoderOutputs {
    const source = this.readSource(context, inputs, past);
    return this.decoder.decode(context, this.shifted(inputs), source);
  }

  encodeAt(context: ForwardContext, inputs: EncoderInputs, places: Tensor, past?: PastTokens): Tensor {
    const source = this.readSource(context, inputs, past);
    return this.decoder.decodeAt(context, this.shifted(inputs), source, places);
  }

  pool(_context: ForwardContext, tokens: Tensor): Tensor {
    return tokens;
  }

  private readSource(context: ForwardContext, inputs: EncoderInputs, past: PastTokens | undefined): SourceStates {
    if (past !== undefined) throw internalError("a text that both stacks read has no past");
    const { lastHiddenState } = this.encoder.encode(context, inputs);
    return { states: lastHiddenState, sequenceIds: inputs.sequenceIds };
  }

  /** The tokens one place to the right, the starting token before each sequence; its last token drops out. */
  private shifted(inputs: EncoderInputs): EncoderInputs {
    const { inputIds, positionIds } = inputs;
    const [rows, width] = inputIds.shape as [number, number];
    const { startTokenId } = this.decoder;
    const first = full([rows, 1], startTokenId, "i32");
    const moved = width === 1 ? first : concatenate([first, sliceAxis(inputIds, 1, 0, width - 1)], 1);
    const isFirst = compare("eq", positionIds, 0);
    return { ...inputs, inputIds: select(isFirst, startTokenId, moved), attentionRanks: undefined };
  }
}
