/** @file What a tagger's scores say about tagged sentences. */
import { type EntityReport, entityReport, tagAccuracy } from "../evaluation/index.ts";
import type { Evaluation } from "../train/trainer.ts";
import { UNSCORED } from "./classification-batch.ts";
import { argMax, softmax } from "./classification-evaluation.ts";
import type { TaggingData, TaggingWindow } from "./tagging-data.ts";

/** What a tagger says of a word. */
export interface WordTag {
  readonly tag: string;
  /** Of that tag, in (0, 1]. */
  readonly probability: number;
}

/** The tags of sentences, from the windows of their words. */
export function wordTags(
  windows: readonly TaggingWindow[],
  logits: readonly (readonly Float32Array[])[],
  labels: readonly string[],
  numWords: readonly number[],
): WordTag[][] {
  const tags = numWords.map((count) => new Array<WordTag>(count));
  windows.forEach(({ sentence, words }, window) => {
    words.forEach((word, i) => {
      const scores = logits[window]![i]!;
      const best = argMax(scores);
      tags[sentence]![word] = { tag: labels[best]!, probability: softmax(scores)[best]! };
    });
  });
  return tags;
}

/** Figures of a tagger on tagged sentences. */
export interface TaggingResult {
  /** Mean cross-entropy, nats per word whose tag is known. */
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
): TaggingResult {
  const { sentences, windows, labels, marksEntities } = data;
  let [loss, scored] = [0, 0];
  windows.forEach((window, i) => {
    window.labels.forEach((label, word) => {
      if (label === UNSCORED) return;
      loss -= Math.log(Math.max(softmax(logits[i]![word]!)[label]!, Number.MIN_VALUE));
      scored++;
    });
  });
  const numWords = sentences.map(({ words }) => words.length);
  const predicted = wordTags(windows, logits, labels, numWords).map((tags) => tags.map(({ tag }) => tag));
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
