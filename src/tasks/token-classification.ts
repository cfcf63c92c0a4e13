/** @file The task: one class for each word of a sentence. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import type { TagScheme } from "../evaluation/index.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { Framing } from "../models/framing.ts";
import type { EncoderInputs, TokenModel } from "../models/model.ts";
import type { Objective } from "../objectives/objective.ts";
import { integers, roomFor } from "../objectives/row-batch.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { textBatch } from "./classification-batch.ts";
import { chainLoss, withChains } from "./tag-chain.ts";
import { readTagged, type TaggingData, type TaggingWindow, usualOverlap } from "./tagging-data.ts";

export interface TokenClassificationOptions {
  readonly tokenizer: Tokenizer;
  /** Longest window in tokens, special tokens included; 128 by default. */
  readonly maxSeqLength?: number | undefined;
  /** Tokens that neighbouring windows of a long sentence have in common; 32 by default, or a quarter of shorter windows. */
  readonly overlap?: number | null | undefined;
  /** Tags in their lasting order; found in the training data when left out. */
  readonly labels?: readonly string[] | undefined;
  /**
   * What the tags of entities are converted to, faults mended: an I- or E- behind the outside or another type begins an
   * entity. `IOB2` by default; null keeps tags as they are. Tags that mark no entities are always kept.
   */
  readonly scheme?: TagScheme | null | undefined;
  /**
   * Score neighbouring tags too: a conditional random field upon the words' scores, and the best path as the tags; false by
   * default.
   */
  readonly crf?: boolean | undefined;
  /** Predict only tags that are well formed in the scheme, whatever the scores; false by default. */
  readonly constrained?: boolean | undefined;
  /** Put several short sentences into one row; true by default. */
  readonly packed?: boolean | undefined;
}

/** All options of the task, with their values. */
export interface TokenClassificationSettings {
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
  readonly overlap: number;
  readonly labels: readonly string[] | undefined;
  readonly scheme: TagScheme | null;
  readonly crf: boolean;
  readonly constrained: boolean;
  readonly packed: boolean;
}

/** A task that reads tagged sentences and is learnt as an objective. */
export interface TokenClassification extends Objective<TaggingWindow, TokenModel> {
  readonly settings: TokenClassificationSettings;
  /** @param options the model's framing; `labels` of the training data for held-out ones */
  read(
    source: TaggedSource,
    options: { readonly framing: Framing; readonly labels?: readonly string[] | undefined },
  ): Promise<TaggingData>;
}

function resolve(options: TokenClassificationOptions): TokenClassificationSettings {
  const { tokenizer, maxSeqLength = 128, labels, scheme = "IOB2", packed = true } = options;
  const { crf = false, constrained = false } = options;
  const overlap = options.overlap ?? usualOverlap(maxSeqLength);
  const issues: ConfigIssue[] = [];
  if (!(Number.isInteger(maxSeqLength) && maxSeqLength >= 5)) {
    const message = `must be a whole number ≥ 5; got ${maxSeqLength}.`;
    issues.push({ path: "maxSeqLength", message, code: "CONFIG_RANGE" });
  }
  if (!(Number.isInteger(overlap) && overlap >= 0 && overlap <= maxSeqLength - 4)) {
    const message = `must be a whole number from 0 to maxSeqLength - 4, ${maxSeqLength - 4}; got ${overlap}.`;
    issues.push({ path: "overlap", message, code: "CONFIG_RANGE" });
  }
  const twice = labels?.find((name, i) => labels.indexOf(name) !== i);
  if (twice !== undefined) {
    issues.push({ path: "labels", message: `must differ; got "${twice}" twice.`, code: "CONFIG_AMBIGUOUS" });
  }
  if (constrained && scheme === null) {
    const message = "needs a scheme whose rules the tags keep; got scheme null. Name one, or leave it out.";
    issues.push({ path: "constrained", message, code: "CONFIG_AMBIGUOUS" });
  }
  if (issues.length > 0) throw new ConfigError("tokenClassification", issues);
  return { tokenizer, maxSeqLength, overlap, labels, scheme, crf, constrained, packed };
}

/**
 * Tags for the words of sentences: parts of speech, entities.
 *
 * A word is read at its first piece. The loss term is `tokenClassification`, nats per word; with `crf` of whole paths of tags.
 * @throws {ConfigError} all problems together
 * @source Devlin et al. 2019 §5.3, arXiv:1810.04805
 */
export function tokenClassification(options: TokenClassificationOptions): TokenClassification {
  const settings = resolve(options);
  const { tokenizer, maxSeqLength, packed, crf } = settings;
  return {
    name: "tokenClassification",
    settings,
    read: (source, { framing, labels = settings.labels }) => readTagged(source, { ...settings, framing }, labels),
    collate: (drawn, _seed, layout) => {
      const windows = drawn.map(({ example }) => example);
      const batch = textBatch(windows, { maxSeqLength, packed, padId: tokenizer.special.pad, layout });
      const starts = batch.tensors.firstTokens!.data;
      const count = windows.reduce((total, { words }) => total + words.length, 0);
      const room = roomFor(count);
      const [wordPlaces, labels] = [new Int32Array(room), new Int32Array(room).fill(UNSCORED)];
      let [at, scored] = [0, 0];
      windows.forEach((window, i) => {
        window.places.forEach((place, word) => {
          const label = window.labels[word]!;
          wordPlaces[at] = starts[i]! + place;
          labels[at++] = label;
          if (label !== UNSCORED) scored++;
        });
      });
      const { firstTokens: _first, lastTokens: _last, ...rows } = batch.tensors;
      const whole = {
        ...batch,
        tensors: { ...rows, wordPlaces: integers(wordPlaces, [room]), labels: integers(labels, [room]) },
        lists: { wordPlaces: { count, beside: { labels: UNSCORED } } },
        counts: { words: scored },
      };
      return crf ? withChains(whole, windows) : whole;
    },
    loss: (model, context, batch) => {
      const hidden = model.encoder.encodeAt(context, batch as unknown as EncoderInputs, batch.wordPlaces!);
      const logits = model.tokenLogits(context, hidden);
      const { crf: chain } = model;
      const loss =
        chain === undefined ? sum(crossEntropy(logits, batch.labels!)) : chainLoss(chain, context, logits, batch);
      return { terms: { tokenClassification: { sum: loss, count: "words", weight: 1 } }, metrics: {} };
    },
  };
}
