/** @file MASS's objective: write one fragment of a sentence, whose place in the sentence is masked. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import { textRuns } from "../data/segment-pairs.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { hits } from "./hits.ts";
import { lackingParts, type ModelPart, type PretrainingObjective, requireParts } from "./objective.ts";
import { choiceIssues, corruptionIssues, countIssues } from "./option-issue.ts";
import { maskToken, textEnds, withEnds } from "./special-token.ts";
import { pairBatch, type SequencePair, targetLogits } from "./target-rows.ts";
import { corruptPlaces } from "./token-masking.ts";

export interface MaskedSequenceToSequenceOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens in a row, special tokens included. */
  readonly maxSeqLength: number;
  /** Length of the fragment as a share of the sentence's tokens, in (0, 1]: 0.5 by default. */
  readonly fragmentShare?: number;
  /** Length of the fragment in tokens, instead of a share; shorter sentences are one fragment. */
  readonly fragmentTokens?: number;
  /** What the decoder is given at the fragment's first place: [MASK] (the default), or the token before the fragment. */
  readonly firstInput?: "mask" | "previous";
  readonly maskTokenProbability?: number;
  readonly randomTokenProbability?: number;
  /** Put several short sequences into one row; true by default. */
  readonly packed?: boolean;
}

const name = "maskedSequenceToSequence";
const parts: readonly ModelPart[] = ["decoder", "causalLmLogits"];

function resolve(options: MaskedSequenceToSequenceOptions) {
  const { fragmentShare = 0.5, fragmentTokens, firstInput = "mask", packed = true, maxSeqLength } = options;
  const { maskTokenProbability = 0.8, randomTokenProbability = 0.1 } = options;
  const issues: ConfigIssue[] = [];
  if (!(fragmentShare > 0 && fragmentShare <= 1)) {
    const message = `must lie in (0, 1]; got ${fragmentShare}.`;
    issues.push({ path: "fragmentShare", message, code: "CONFIG_RANGE" });
  }
  if (fragmentTokens !== undefined) issues.push(...countIssues("fragmentTokens", fragmentTokens));
  if (fragmentTokens !== undefined && options.fragmentShare !== undefined) {
    const message = "must be left out where fragmentShare is given.";
    issues.push({ path: "fragmentTokens", message, code: "CONFIG_AMBIGUOUS" });
  }
  issues.push(
    ...choiceIssues("firstInput", firstInput, ["mask", "previous"]),
    ...corruptionIssues({ maskTokenProbability, randomTokenProbability }),
  );
  if (issues.length > 0) throw new ConfigError(name, issues);
  const shares = { maskTokenProbability, randomTokenProbability };
  return { fragmentShare, fragmentTokens, firstInput, packed, maxSeqLength, ...shares };
}

/**
 * Masked sequence to sequence: one run of k neighbouring tokens is masked in the encoder (80 % [MASK], 10 % a random token,
 * 10 % as they are); the decoder is given those tokens alone, one place to the right and at their own positions, and writes
 * the run. Every start of the run is equally likely. Special tokens inside it are neither masked nor written. Term: `mass`
 * (nats per token of the run); metric when evaluating: `massAccuracy`.
 *
 * With one token the decoder is given [MASK] alone: masked language modelling, with the decoder as part of the output
 * layer. With all of them the encoder says nothing, and the decoder is a causal language model.
 * @throws {ConfigError} all problems together; {FirthError} TOKENIZER_LACKS_TOKEN
 * @source Song et al. 2019 §3, arXiv:1905.02450: k of 50 %. Differs: the authors' programs put 20 % of the runs each at
 * begin and end, and give the decoder the token before the run first (`firstInput: "previous"`)
 */
export function maskedSequenceToSequence(options: MaskedSequenceToSequenceOptions): PretrainingObjective {
  const { tokenizer } = options;
  const settings = resolve(options);
  const { maxSeqLength, packed, fragmentShare, fragmentTokens, firstInput } = settings;
  const ends = textEnds(tokenizer, name);
  const specials = new Set(tokenizer.specialIds);
  const isSpecial = (id: number): boolean => specials.has(id);
  const vocabulary = { maskId: maskToken(tokenizer, name), vocabSize: tokenizer.vocabSize, isSpecial };
  const padId = tokenizer.special.pad;

  const pairOf = (text: Int32Array, random: Random): SequencePair => {
    const { length } = text;
    const wanted = fragmentTokens ?? Math.max(1, Math.round(fragmentShare * length));
    const count = Math.min(length, wanted);
    const whole = withEnds(text, ends);
    // Places in the whole, whose first token begins it.
    const start = 1 + random.nextInt(length - count + 1);
    const run = whole.subarray(start, start + count);
    const hidden = Array.from(run.keys(), (i) => start + i).filter((place) => !isSpecial(whole[place]!));
    const { tokens } = corruptPlaces(whole, hidden, settings, vocabulary, random);
    const inputs = whole.slice(start - 1, start + count - 1);
    if (firstInput === "mask") inputs[0] = vocabulary.maskId;
    return {
      source: { tokens, tokenTypeIds: new Int32Array(tokens.length) },
      target: { inputs, labels: run.map((id) => (isSpecial(id) ? UNSCORED : id)), firstPosition: start - 1 },
    };
  };

  return {
    name,
    tokenizer,
    maxSeqLength,
    packed,
    settings,
    examples: (corpus, shortSequenceProbability) =>
      textRuns(corpus, { maxTokens: maxSeqLength - 2, shortSequenceProbability }),
    rowLength: ({ a }) => a.tokens.length + 2,
    modelIssues: (model) => lackingParts(model, parts, name),
    collate: (drawn, seed, layout): Batch => {
      const pairs = drawn.map(({ example: { a }, epoch, item }) =>
        pairOf(a.tokens, new Random(seed, "fragment", epoch, item)),
      );
      const { numAnswered, ...batch } = pairBatch(
        pairs,
        layout === undefined ? { padId, packed, maxSeqLength } : { padId, layout },
      );
      return { ...batch, counts: { fragmentTokens: numAnswered }, numSequences: drawn.length };
    },
    loss: (model, context, batch) => {
      requireParts(model, parts, name);
      const logits = targetLogits(model as Parameters<typeof targetLogits>[0], context, batch);
      return {
        terms: {
          mass: { sum: sum(crossEntropy(logits, batch.targetLabels!)), count: "fragmentTokens", weight: 1 },
        },
        metrics: context.training
          ? {}
          : { massAccuracy: { sum: hits(logits, batch.targetLabels!), count: "fragmentTokens" } },
      };
    },
  };
}
