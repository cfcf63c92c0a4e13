/** @file GPT's objective: predict every token from those before it. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import { joinedRuns } from "../data/joined-runs.ts";
import type { PretrainingExample } from "../data/segment.ts";
import { textRuns } from "../data/segment-pairs.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { EncoderInputs, PretrainingModel } from "../models/model.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { hits } from "./hits.ts";
import { lackingParts, type PretrainingObjective, requireParts } from "./objective.ts";
import { choiceIssues } from "./option-issue.ts";
import { integers, roomFor, rowBatch } from "./row-batch.ts";
import { startToken } from "./special-token.ts";

export interface CausalLanguageModelingOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens in a row, the starting one included. */
  readonly maxSeqLength: number;
  /** Which neighbours a token is predicted from: those before it (the default), or those after it. */
  readonly direction?: "leftToRight" | "rightToLeft";
  /**
   * `separate` (the default): a row's runs are of one document each and begin with the starting token; where a run ends
   * its document, that end is predicted too. `joined`: the documents are one stream with the ending token between them,
   * cut without regard to where they end (GPT-2).
   */
  readonly documents?: "separate" | "joined";
  /** Put several short sequences into one row; true by default. */
  readonly packed?: boolean;
}

/** The head that scores next words: that of masked words where the network sees both sides unless told otherwise. */
const headOf = ({ encoder }: PretrainingModel) => (encoder.isCausal ? "causalLmLogits" : "maskedLmLogits");

/** Why a model cannot be made to read from left to right. */
function readingIssues(model: PretrainingModel): ConfigIssue[] {
  if (model.decoder === undefined) return lackingParts(model, [headOf(model)], "causalLanguageModeling");
  const message = "must be one network; this one writes with a decoder that looks at its source. Use gpt2 or bert.";
  return [{ path: "model.decoder", message, code: "MODEL_HAS_DECODER" }];
}

/**
 * Causal language modelling: every token of a run of text is predicted from those before it, the first from a starting
 * token, and where the run ends its document the ending token from all of it. Term: `lm` (nats per token; its
 * exponential is the perplexity); metric when evaluating: `lmAccuracy`.
 *
 * From right to left, runs are read backwards: positions count from their end, and what is predicted last is that the
 * document begins.
 *
 * A network that sees both sides (BERT, RoBERTa, ALBERT) is made to look left by its attention mask, and its head of masked
 * words scores next words. As every token is predicted it learns from little text; masked words can then go on from it.
 * @throws {ConfigError} all problems together; {FirthError} TOKENIZER_LACKS_TOKEN
 * @source Radford et al. 2018 §3.1; Radford et al. 2019 §2. Differs with `separate`: tokens never see another document.
 * Encoders first, masks after: Gisserot-Boukhlef et al. 2025, arXiv:2507.00994
 */
export function causalLanguageModeling(options: CausalLanguageModelingOptions): PretrainingObjective {
  const { tokenizer, maxSeqLength, direction = "leftToRight", documents = "separate", packed = true } = options;
  const name = "causalLanguageModeling";
  const issues = [
    ...choiceIssues("direction", direction, ["leftToRight", "rightToLeft"]),
    ...choiceIssues("documents", documents, ["separate", "joined"]),
  ];
  if (issues.length > 0) throw new ConfigError(name, issues);
  const start = startToken(tokenizer.special, name);
  const { pad: padId, eos, sep } = tokenizer.special;
  const end = eos ?? sep;
  const { tokenizer: _, ...settings } = options;
  const isForward = direction === "leftToRight";

  /** What is read: all but its last token are seen, all but its first predicted. */
  const sequenceOf = ({ a, startsDocument = false, endsDocument = false }: PretrainingExample): Int32Array => {
    const read = isForward ? a.tokens : a.tokens.toReversed();
    if (documents === "joined") return read;
    const ends = (isForward ? endsDocument : startsDocument) && end !== undefined;
    const sequence = new Int32Array(read.length + (ends ? 2 : 1));
    sequence[0] = start;
    sequence.set(read, 1);
    if (ends) sequence[sequence.length - 1] = end;
    return sequence;
  };

  return {
    name,
    tokenizer,
    maxSeqLength,
    packed,
    settings,
    examples: (corpus, shortSequenceProbability) => {
      if (documents === "joined") {
        return joinedRuns(corpus, { maxTokens: maxSeqLength, shortSequenceProbability, separator: end ?? start });
      }
      // Room for the ending token.
      return textRuns(corpus, { maxTokens: maxSeqLength - (end === undefined ? 0 : 1), shortSequenceProbability });
    },
    // The last token is predicted only: nothing is predicted from it.
    rowLength: (example) => sequenceOf(example).length - 1,
    modelIssues: readingIssues,
    collate: (drawn, _seed, layout): Batch => {
      const sequences = drawn.map(({ example }) => sequenceOf(example));
      const inputs = sequences.map((sequence) => {
        const tokens = sequence.subarray(0, -1);
        return { tokens, tokenTypeIds: new Int32Array(tokens.length) };
      });
      const rows = rowBatch(inputs, layout === undefined ? { padId, packed, maxSeqLength } : { padId, layout });
      const predicted = rows.numTokens;
      const room = Math.min(roomFor(predicted), Math.ceil(rows.numPlaces / 8) * 8);
      const places = new Int32Array(room);
      const labels = new Int32Array(room).fill(UNSCORED);
      let at = 0;
      sequences.forEach((sequence, i) => {
        labels.set(sequence.subarray(1), at);
        for (let place = 0; place < sequence.length - 1; place++) places[at++] = rows.starts[i]! + place;
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
      const head = headOf(model);
      requireParts(model, [head], name);
      const read = batch as unknown as EncoderInputs;
      // A rank is a token's place in its sequence: it sees those up to its own.
      const inputs = model.encoder.isCausal ? read : { ...read, attentionRanks: read.positionIds };
      const hidden = model.encoder.encodeAt(context, inputs, batch.predictedPlaces!);
      const logits = model[head]!(context, hidden);
      return {
        terms: { lm: { sum: sum(crossEntropy(logits, batch.labels!)), count: "predictedTokens", weight: 1 } },
        metrics: context.training ? {} : { lmAccuracy: { sum: hits(logits, batch.labels!), count: "predictedTokens" } },
      };
    },
  };
}
