/** @file GPT's objective: predict every token from those before it. */
import { ConfigError, FirthError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import { textRuns } from "../data/segment-pairs.ts";
import type { EncoderInputs } from "../models/model.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { hits } from "./hits.ts";
import { lackingParts, type ModelPart, type PretrainingObjective, requireParts } from "./objective.ts";
import { integers, roomFor, rowBatch } from "./row-batch.ts";

export interface CausalLanguageModelingOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens in a row, the starting one included. */
  readonly maxSeqLength: number;
  /** Which neighbours a token is predicted from: those before it (the default), or those after it. */
  readonly direction?: "leftToRight" | "rightToLeft";
  /** Put several short sequences into one row; true by default. */
  readonly packed?: boolean;
}

const UNSCORED = -100;
const parts: readonly ModelPart[] = ["causalLmLogits"];

/**
 * The id a text begins with: what it begins with by the tokenizer's rules, or the token that ends texts.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function startToken({ special }: Tokenizer, where: string): number {
  const { bos, cls, eos, sep } = special;
  const start = bos ?? cls ?? eos ?? sep;
  if (start !== undefined) return start;
  throw new FirthError("the tokenizer must have a token that begins or ends texts. Train it with one.", {
    code: "TOKENIZER_LACKS_TOKEN",
    path: where,
  });
}

/**
 * Causal language modelling: every token of a run of text is predicted from those before it, the first from a starting
 * token. Term: `lm` (nats per token); metric when evaluating: `lmAccuracy`.
 *
 * From right to left, runs are read backwards: positions count from their end.
 * @throws {ConfigError} CONFIG_RANGE; {FirthError} TOKENIZER_LACKS_TOKEN
 * @source Radford et al. 2018 §3.1; Radford et al. 2019 §2
 */
export function causalLanguageModeling(options: CausalLanguageModelingOptions): PretrainingObjective {
  const { tokenizer, maxSeqLength, direction = "leftToRight", packed = true } = options;
  const name = "causalLanguageModeling";
  if (direction !== "leftToRight" && direction !== "rightToLeft") {
    const message = `must be "leftToRight" or "rightToLeft"; got ${JSON.stringify(direction)}.`;
    throw new ConfigError(name, [{ path: "direction", message, code: "CONFIG_VALUE" }]);
  }
  const start = startToken(tokenizer, name);
  const padId = tokenizer.special.pad;
  const { tokenizer: _, ...settings } = options;
  return {
    name,
    tokenizer,
    maxSeqLength,
    packed,
    settings,
    examples: (corpus, shortSequenceProbability) =>
      textRuns(corpus, { maxTokens: maxSeqLength, shortSequenceProbability }),
    // The last token is predicted only: nothing is predicted from it.
    rowLength: ({ a }) => a.tokens.length,
    modelIssues: (model) => lackingParts(model, parts, name),
    collate: (drawn, _seed, layout): Batch => {
      const targets = drawn.map(({ example: { a } }) =>
        direction === "leftToRight" ? a.tokens : a.tokens.toReversed(),
      );
      const inputs = targets.map((target) => {
        const tokens = new Int32Array(target.length);
        tokens[0] = start;
        tokens.set(target.subarray(0, -1), 1);
        return { tokens, tokenTypeIds: new Int32Array(target.length) };
      });
      const rows = rowBatch(inputs, layout === undefined ? { padId, packed, maxSeqLength } : { padId, layout });
      const predicted = targets.reduce((total, { length }) => total + length, 0);
      const room = Math.min(roomFor(predicted), Math.ceil(rows.numPlaces / 8) * 8);
      const places = new Int32Array(room);
      const labels = new Int32Array(room).fill(UNSCORED);
      let at = 0;
      targets.forEach((target, i) => {
        labels.set(target, at);
        for (let place = 0; place < target.length; place++) places[at++] = rows.starts[i]! + place;
      });
      return {
        tensors: { ...rows.tensors, predictedPlaces: integers(places, [room]), labels: integers(labels, [room]) },
        lists: { predictedPlaces: { count: predicted, beside: { labels: UNSCORED } } },
        counts: { predictedTokens: predicted },
        numSequences: drawn.length,
        numTokens: rows.numTokens,
        numPlaces: rows.numPlaces,
      };
    },
    loss: (model, context, batch) => {
      requireParts(model, parts, name);
      const hidden = model.encoder.encodeAt(context, batch as unknown as EncoderInputs, batch.predictedPlaces!);
      const logits = model.causalLmLogits!(context, hidden);
      return {
        terms: { lm: { sum: sum(crossEntropy(logits, batch.labels!)), count: "predictedTokens", weight: 1 } },
        metrics: context.training ? {} : { lmAccuracy: { sum: hits(logits, batch.labels!), count: "predictedTokens" } },
      };
    },
  };
}
