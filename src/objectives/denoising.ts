/** @file BART's objective: write a text as it was, from what noise has left of it. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import { textRuns } from "../data/segment-pairs.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { hits } from "./hits.ts";
import { lackingParts, type ModelPart, type PretrainingObjective, requireParts } from "./objective.ts";
import { choiceIssues } from "./option-issue.ts";
import { maskToken, textEnds, withEnds } from "./special-token.ts";
import { pairBatch, shiftRight, targetLogits } from "./target-rows.ts";
import { applyNoise, type NoiseOptions } from "./text-noise.ts";

export interface DenoisingOptions extends NoiseOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens in a row, special tokens included. */
  readonly maxSeqLength: number;
  /** Put several short sequences into one row; true by default. */
  readonly packed?: boolean;
}

const name = "denoising";
const parts: readonly ModelPart[] = ["decoder", "causalLmLogits"];
const shares = ["sentencePermutation", "documentRotation", "textInfilling", "tokenMasking", "tokenDeletion"] as const;
/** Of Lewis et al.: 30 % of the tokens in spans, all sentences in another order. */
const usualNoise: NoiseOptions = { textInfilling: 0.3, sentencePermutation: 1 };

/** The noises that are asked for; the usual ones where none is. */
function noiseOf(options: DenoisingOptions): NoiseOptions {
  const { spanLength = 3, unit = "token" } = options;
  const given = shares.filter((share) => options[share] !== undefined);
  const chosen = given.length === 0 ? usualNoise : options;
  const noise = { ...Object.fromEntries(shares.map((share) => [share, chosen[share] ?? 0])), spanLength, unit };
  const issues: ConfigIssue[] = shares
    .filter((share) => !((chosen[share] ?? 0) >= 0 && (chosen[share] ?? 0) <= 1))
    .map((path) => ({ path, message: `must lie in [0, 1]; got ${chosen[path]}.`, code: "CONFIG_RANGE" }));
  if (shares.every((share) => (chosen[share] ?? 0) === 0)) {
    const message = "or another noise must be above 0: a text without noise is only copied.";
    issues.push({ path: "textInfilling", message, code: "CONFIG_RANGE" });
  }
  if (!(spanLength > 0 && spanLength <= 100)) {
    issues.push({ path: "spanLength", message: `must lie in (0, 100]; got ${spanLength}.`, code: "CONFIG_RANGE" });
  }
  issues.push(...choiceIssues("unit", unit, ["token", "wholeWord"]));
  if (issues.length > 0) throw new ConfigError(name, issues);
  return noise;
}

/**
 * Denoising: the encoder reads a text under noise, the decoder writes the whole text as it was, its begin and end
 * included. Texts are runs of whole sentences of one document. Term: `denoising` (nats per token of the text); metric when
 * evaluating: `denoisingAccuracy`.
 * @throws {ConfigError} all problems together; {FirthError} TOKENIZER_LACKS_TOKEN
 * @source Lewis et al. 2020 §2.2 and §5.1, arXiv:1910.13461; see `applyNoise`
 */
export function denoising(options: DenoisingOptions): PretrainingObjective {
  const { tokenizer, maxSeqLength, packed = true } = options;
  const noise = noiseOf(options);
  const ends = textEnds(tokenizer, name);
  const specials = new Set(tokenizer.specialIds);
  const vocabulary = { maskId: maskToken(tokenizer, name), isSpecial: (id: number) => specials.has(id) };
  const padId = tokenizer.special.pad;
  return {
    name,
    tokenizer,
    maxSeqLength,
    packed,
    settings: { maxSeqLength, packed, ...noise },
    examples: (corpus, shortSequenceProbability) =>
      textRuns(corpus, {
        maxTokens: maxSeqLength - 2,
        shortSequenceProbability,
        boundary: "sentence",
        sentenceStarts: true,
      }),
    rowLength: ({ a }) => a.tokens.length + 2,
    modelIssues: (model) => {
      const { decoder } = model;
      const message = `must be ${ends.end}, which ends texts; got ${decoder?.startTokenId}.`;
      const issue = { path: "model.decoderStartTokenId", message, code: "CONFIG_VALUE" };
      const isRight = decoder === undefined || decoder.startTokenId === ends.end;
      return [...lackingParts(model, parts, name), ...(isRight ? [] : [issue])];
    },
    collate: (drawn, seed, layout): Batch => {
      const pairs = drawn.map(({ example: { a }, epoch, item }) => {
        const noisy = applyNoise(a, noise, vocabulary, new Random(seed, "noise", epoch, item));
        const tokens = withEnds(noisy.tokens, ends);
        const labels = withEnds(a.tokens, ends);
        return {
          source: { tokens, tokenTypeIds: new Int32Array(tokens.length) },
          target: { inputs: shiftRight(labels, ends.end), labels },
        };
      });
      const { numAnswered, ...batch } = pairBatch(
        pairs,
        layout === undefined ? { padId, packed, maxSeqLength } : { padId, layout },
      );
      return { ...batch, counts: { targetTokens: numAnswered }, numSequences: drawn.length };
    },
    loss: (model, context, batch) => {
      requireParts(model, parts, name);
      const logits = targetLogits(model as Parameters<typeof targetLogits>[0], context, batch);
      const losses = crossEntropy(logits, batch.targetLabels!);
      return {
        terms: { denoising: { sum: sum(losses), count: "targetTokens", weight: 1 } },
        metrics: context.training
          ? {}
          : { denoisingAccuracy: { sum: hits(logits, batch.targetLabels!), count: "targetTokens" } },
      };
    },
  };
}
