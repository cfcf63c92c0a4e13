import type { Backend } from "../backend/backend.ts";
import { FirthError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { EncoderInputs } from "../models/model.ts";
import { integers, roomFor, rowBatch } from "../objectives/row-batch.ts";
import { crossEntropy } from "../tensor/fused.ts";
import type { Tensors } from "../tensor/trace.ts";
import { BatchProgram } from "../train/batch-program.ts";
import type { ParameterSource } from "../train/fixed-weights.ts";
import { type DTypePolicy, traceForward } from "../train/forward-graph.ts";
import { capacityBucket } from "./bucket.ts";
import type { WritingNetwork } from "./network.ts";
import { requireKnownIds } from "./prompt-encoder.ts";

/** A text whose tokens are to be scored. */
export interface ScoredText {
  /** The encoder's input; empty where there is none. */
  readonly source: Int32Array;
  /** All tokens, those that are only looked at first. */
  readonly tokens: Int32Array;
  /** The first token that is scored; at least 1. */
  readonly start: number;
}

export interface TokenScorerOptions {
  readonly backend: Backend;
  readonly store: ParameterSource;
  readonly network: WritingNetwork;
  readonly policy: DTypePolicy;
  readonly padId: number;
  /** Texts computed together. */
  readonly batchSize: number;
}

/** @throws {FirthError} MODEL_CANNOT_SCORE for networks that predict masks */
export function requireScoring({ order }: WritingNetwork): void {
  if (order !== "maskByMask") return;
  const message = "the model predicts masked words, whose likelihood is not a text's. Use GPT or an encoder–decoder.";
  throw new FirthError(message, { code: "MODEL_CANNOT_SCORE", path: "likelihood" });
}

/** Tokens scored in one run, but for those of a single text or question: scores of a whole vocabulary for each take room. */
export const SCORED_AT_ONCE = 1024;

/** Cuts a list of texts where a batch is full. */
function batches(order: readonly number[], textOf: (item: number) => ScoredText, batchSize: number): number[][] {
  const found: number[][] = [];
  let scored = Number.POSITIVE_INFINITY;
  for (const item of order) {
    const { tokens, start } = textOf(item);
    const count = tokens.length - start;
    if (scored + count > SCORED_AT_ONCE || found.at(-1)!.length === batchSize) {
      found.push([]);
      scored = 0;
    }
    found.at(-1)!.push(item);
    scored += count;
  }
  return found;
}

/** Logarithms of probabilities of given tokens, each by those before it, many texts at once. */
export class TokenScorer {
  private readonly options: TokenScorerOptions;
  private readonly program: BatchProgram;

  /** @throws {FirthError} MODEL_CANNOT_SCORE for networks that predict masks */
  constructor(options: TokenScorerOptions) {
    const { backend, store, network, policy } = options;
    requireScoring(network);
    this.options = options;
    this.program = new BatchProgram({
      backend,
      store,
      fixed: ({ numPlaces }) => store.fixedFor?.(numPlaces),
      trace: (batch) =>
        traceForward(
          store.parameters,
          batch,
          policy,
          (context, symbols: Tensors) => {
            const { places, labels, sourceInputIds, sourceSequenceIds, sourcePositionIds, sourceTokenTypeIds } =
              symbols;
            const read = () => {
              if (sourceInputIds === undefined) return undefined;
              const text = {
                inputIds: sourceInputIds,
                sequenceIds: sourceSequenceIds!,
                positionIds: sourcePositionIds!,
              };
              const encoded = network.model.encoder.encode(context, { ...text, tokenTypeIds: sourceTokenTypeIds! });
              return { states: encoded.lastHiddenState, sequenceIds: sourceSequenceIds! };
            };
            const view = { places: places!, source: read() };
            const logits = network.scores(context, symbols as unknown as EncoderInputs, view);
            return { losses: crossEntropy(logits, labels!) };
          },
          store.quantized,
          store.dtype,
        ),
    });
  }

  /**
   * For each text the logarithms of probabilities (nats) of its scored tokens, in order.
   * @throws {DataError} PROMPT_TOKEN_UNKNOWN naming the text
   */
  async score(texts: readonly ScoredText[]): Promise<Float32Array[]> {
    const { batchSize } = this.options;
    for (const [i, { source, tokens }] of texts.entries()) {
      for (const ids of [source, tokens]) requireKnownIds(this.options.network, ids, `texts[${i}]`);
    }
    const results = new Array<Float32Array>(texts.length);
    // Texts of like length share a batch, so that little is computed for nothing.
    const size = ({ source, tokens }: ScoredText) => source.length + tokens.length;
    const order = [...texts.keys()].sort((a, b) => size(texts[b]!) - size(texts[a]!) || a - b);
    for (const items of batches(order, (item) => texts[item]!, batchSize)) {
      const losses = (await this.program.run(this.batch(items.map((item) => texts[item]!)))).losses as Float32Array;
      let first = 0;
      for (const item of items) {
        const { tokens, start } = texts[item]!;
        const count = tokens.length - start;
        results[item] = losses.slice(first, first + count).map((loss) => -loss);
        first += count;
      }
    }
    return results;
  }

  /** Each text in a row of its own: the last token is predicted only. */
  private batch(texts: readonly ScoredText[]): Batch {
    const { padId, network } = this.options;
    const layoutFor = (lengths: readonly number[], limit: number) => ({
      rows: lengths.map((_, i) => [i]),
      width: Math.min(limit, capacityBucket(Math.max(...lengths))),
      numRows: lengths.length,
    });
    const rowsOf = (rows: readonly Int32Array[], limit: number) =>
      rowBatch(
        rows.map((tokens) => ({ tokens, tokenTypeIds: new Int32Array(tokens.length) })),
        {
          padId,
          layout: layoutFor(
            rows.map(({ length }) => length),
            limit,
          ),
        },
      );
    const fed = rowsOf(
      texts.map(({ tokens }) => tokens.subarray(0, -1)),
      network.maxPositions,
    );
    const scored = texts.reduce((sum, { tokens, start }) => sum + tokens.length - start, 0);
    const room = roomFor(scored);
    const places = new Int32Array(room);
    const labels = new Int32Array(room).fill(UNSCORED);
    let at = 0;
    texts.forEach(({ tokens, start }, i) => {
      for (let token = start; token < tokens.length; token++) {
        places[at] = fed.starts[i]! + token - 1;
        labels[at++] = tokens[token]!;
      }
    });
    const source =
      network.order === "encoderDecoder"
        ? rowsOf(
            texts.map((text) => text.source),
            network.maxSourcePositions,
          ).tensors
        : undefined;
    return {
      tensors: {
        ...fed.tensors,
        places: integers(places, [room]),
        labels: integers(labels, [room]),
        ...(source === undefined
          ? {}
          : {
              sourceInputIds: source.inputIds,
              sourceSequenceIds: source.sequenceIds,
              sourcePositionIds: source.positionIds,
              sourceTokenTypeIds: source.tokenTypeIds,
            }),
      },
      counts: {},
      numSequences: texts.length,
      numTokens: fed.numTokens,
      numPlaces: fed.numPlaces,
    };
  }

  async dispose(): Promise<void> {
    await this.program.dispose();
  }
}
