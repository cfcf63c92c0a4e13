/** @file What a tagger's scores say about tagged sentences. */
import { type EntityReport, entityReport, tagAccuracy } from "../evaluation/index.ts";
import { UNSCORED } from "../ir/unscored.ts";
import type { Evaluation } from "../train/trainer.ts";
import { independentTags, type TagDecoder, type TagScores } from "./tag-decoder.ts";
import type { TaggingData, TaggingWindow } from "./tagging-data.ts";

/** What a tagger says of a word. */
export interface WordTag {
  readonly tag: string;
  /** Of that tag, in (0, 1]. */
  readonly probability: number;
}

/** The scores of sentences, from the windows of their words. */
function sentenceScores(
  windows: readonly TaggingWindow[],
  logits: readonly (readonly Float32Array[])[],
  numWords: readonly number[],
): TagScores[][] {
  const scores = numWords.map((count) => new Array<TagScores>(count));
  windows.forEach(({ sentence, words }, window) => {
    words.forEach((word, i) => {
      scores[sentence]![word] = logits[window]![i]!;
    });
  });
  return scores;
}

/** The tags of sentences, from the windows of their words. */
export function wordTags(
  windows: readonly TaggingWindow[],
  logits: readonly (readonly Float32Array[])[],
  labels: readonly string[],
  numWords: readonly number[],
  decoder: TagDecoder = independentTags,
): WordTag[][] {
  return sentenceScores(windows, logits, numWords).map((scores) => {
    const tags = decoder.tags(scores);
    const probabilities = decoder.probabilities(scores, tags);
    return Array.from(tags, (tag, word) => ({ tag: labels[tag]!, probability: probabilities[word]! }));
  });
}

/** Figures of a tagger on tagged sentences. */
export interface TaggingResult {
  /** Nats per word whose tag is known; with scores of neighbouring tags, of whole paths. */
  readonly loss: number;
  /** Share of the words whose tag is right. */
  readonly accuracy: number;
  /** Entities as seqeval counts them; undefined where the tags mark none. */
  readonly entities: EntityReport | undefined;
  readonly numSentences: number;
  readonly numWords: number;
}

/** Loss, accuracy and, of tags that mark entities, their precision, recall and F1. @param logits of each window of `data` */
export function taggingResult(
  data: Pick<TaggingData, "sentences" | "windows" | "labels" | "marksEntities">,
  logits: readonly (readonly Float32Array[])[],
  decoder: TagDecoder = independentTags,
): TaggingResult {
  const { sentences, windows, labels, marksEntities } = data;
  const numbers = new Map(labels.map((name, i) => [name, i]));
  const numWords = sentences.map(({ words }) => words.length);
  const scores = sentenceScores(windows, logits, numWords);
  let [loss, scored] = [0, 0];
  scores.forEach((own, sentence) => {
    const known = Int32Array.from(sentences[sentence]!.tags, (tag) => numbers.get(tag) ?? UNSCORED);
    loss += decoder.loss(own, known);
    scored += known.filter((label) => label !== UNSCORED).length;
  });
  const predicted = scores.map((own) => Array.from(decoder.tags(own), (tag) => labels[tag]!));
  const truth = sentences.map(({ tags }) => tags);
  return {
    loss: scored === 0 ? 0 : loss / scored,
    accuracy: tagAccuracy(truth, predicted),
    entities: marksEntities ? entityReport(truth, predicted) : undefined,
    numSentences: sentences.length,
    numWords: numWords.reduce((total, count) => total + count, 0),
  };
}

/** Names of the figures that {@link taggingFigures} gives. */
export const taggingFigureNames = ["f1", "accuracy", "loss"] as const;

/** The figures that a training run logs; `f1` is the entities' (micro), or where there are none the accuracy. */
export function taggingFigures({ loss, accuracy, entities }: TaggingResult): Evaluation {
  const shares = entities?.micro ?? { precision: accuracy, recall: accuracy, f1: accuracy };
  return { loss, means: { accuracy, f1: shares.f1, precision: shares.precision, recall: shares.recall } };
}

const percent = (value: number): string => (100 * value).toFixed(2).padStart(7);

/** Figures as a table. */
export function formatTaggingResult({ accuracy, loss, entities, numWords, numSentences }: TaggingResult): string {
  const head = `accuracy ${percent(accuracy).trim()} %, loss ${loss.toFixed(4)} nats a word; ${numWords} words in ${numSentences} sentences`;
  if (entities === undefined) return `${head}\n`;
  const rows = [
    ...Object.entries(entities.types),
    ["micro", entities.micro] as const,
    ["macro", entities.macro] as const,
    ["weighted", entities.weighted] as const,
  ];
  const width = Math.max(...rows.map(([name]) => name.length), 8);
  const lines = rows.map(
    ([name, { precision, recall, f1, support }]) =>
      `${name.padEnd(width)} ${percent(precision)} ${percent(recall)} ${percent(f1)} ${String(support).padStart(8)}`,
  );
  return `${head}\n${"".padEnd(width)} precis.  recall      F1  support\n${lines.join("\n")}\n`;
}
