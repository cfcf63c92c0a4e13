/** @file Tagged words as chains, for a tagger that scores neighbouring tags. */
import type { Batch } from "../data/batch.ts";
import { statisticDtype } from "../ir/dtype.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { type ConditionalRandomField, chainEnd, chainPlace, noneBefore } from "../nn/conditional-random-field.ts";
import type { ForwardContext } from "../nn/module.ts";
import { integers } from "../objectives/row-batch.ts";
import { compare, convert, select, sub, zeros } from "../tensor/elementwise.ts";
import { expandDims, reshape, scatterAdd } from "../tensor/movement.ts";
import { sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { TaggingWindow } from "./tagging-data.ts";

/**
 * A batch of words with the chains that go through them: `chainPlaces` and `chainEnds` i32 `[R, W]`, and beside `wordPlaces`
 * `labelsBefore` and `endsText` i32 `[P]`.
 *
 * A window's words are a chain; its first word begins the sentence or not, and so its last. Words whose tag is not known
 * are on none: they end one chain and begin another.
 * @param batch with `wordPlaces` in the order of the windows' words
 */
export function withChains(batch: Batch, windows: readonly TaggingWindow[]): Batch {
  const { sequenceIds, wordPlaces } = batch.tensors;
  const size = sequenceIds!.data.length;
  const room = wordPlaces!.shape[0]!;
  const [places, ends] = [new Int32Array(size), new Int32Array(size)];
  const [before, endsText] = [new Int32Array(room).fill(noneBefore.chainBegins), new Int32Array(room)];
  let at = 0;
  for (const { words, labels, endsSentence } of windows) {
    labels.forEach((label, i) => {
      const slot = at++;
      if (label === UNSCORED) return;
      const place = wordPlaces!.data[slot]!;
      const previous = labels[i - 1] ?? UNSCORED;
      const isFirst = previous === UNSCORED;
      const beginsText = isFirst && words[i] === 0;
      const isLast = (labels[i + 1] ?? UNSCORED) === UNSCORED;
      const isEnd = endsSentence && i === labels.length - 1;
      places[place] = beginsText ? chainPlace.beginsText : isFirst ? chainPlace.begins : chainPlace.inner;
      ends[place] = isEnd ? chainEnd.endsText : isLast ? chainEnd.ends : chainEnd.none;
      before[slot] = beginsText ? noneBefore.textBegins : isFirst ? noneBefore.chainBegins : previous;
      endsText[slot] = isEnd ? 1 : 0;
    });
  }
  const words = batch.lists!.wordPlaces!;
  const beside = { ...words.beside, labelsBefore: noneBefore.chainBegins, endsText: 0 };
  return {
    ...batch,
    tensors: {
      ...batch.tensors,
      chainPlaces: integers(places, sequenceIds!.shape),
      chainEnds: integers(ends, sequenceIds!.shape),
      labelsBefore: integers(before, [room]),
      endsText: integers(endsText, [room]),
    },
    lists: { ...batch.lists, wordPlaces: { ...words, beside } },
  };
}

/**
 * Nats of the tags of all words of a batch of {@link withChains}: for each chain log Σ e^score over all paths, less the score
 * of its own. Dims: P words, L tags.
 * @param logits float `[P, L]`
 * @returns scalar
 */
export function chainLoss(
  crf: ConditionalRandomField,
  context: ForwardContext,
  logits: Tensor,
  batch: Readonly<Record<string, Tensor>>,
): Tensor {
  const { labels, labelsBefore, endsText, wordPlaces, chainPlaces, chainEnds } = batch as Readonly<
    Record<"labels" | "labelsBefore" | "endsText" | "wordPlaces" | "chainPlaces" | "chainEnds", Tensor>
  >;
  const [rows, width] = chainPlaces.shape as [number, number];
  const scores = convert(logits, statisticDtype(logits.dtype));
  const numLabels = scores.dim(1);
  const isScored = expandDims(compare("ge", labels, 0), 1);
  // What is room in the list stands for place 0, where a word may be.
  const known = select(isScored, scores, 0);
  const spread = scatterAdd(zeros([rows * width, numLabels], scores.dtype), wordPlaces, known);
  const all = crf.logPartitions(context, reshape(spread, [rows, width, numLabels]), chainPlaces, chainEnds);
  const own = crf.pathScores(context, scores, { labels, before: labelsBefore, endsText });
  return sub(sum(all), sum(own));
}
