import { describe, expect, test } from "vitest";
import { gradientErrors } from "../../tests/support/check-gradients.ts";
import { evaluateGraph } from "../backend/reference/evaluate.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import type { HostTensor } from "../ir/dtype.ts";
import { tensorType } from "../ir/shape.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { ConditionalRandomField } from "../nn/conditional-random-field.ts";
import type { ForwardContext } from "../nn/module.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { trace } from "../tensor/trace.ts";
import { divideBatch } from "../train/divide-batch.ts";
import { textBatch } from "./classification-batch.ts";
import { chainLoss, withChains } from "./tag-chain.ts";
import {
  allowedChain,
  bestPath,
  type ChainScores,
  chainTags,
  freeChain,
  independentTags,
  logPartition,
  pathScore,
} from "./tag-decoder.ts";
import type { TaggingWindow } from "./tagging-data.ts";

const LABELS = 3;
const random = new Random(5, "chain");
const draw = (count: number, scale = 1): number[] => Array.from({ length: count }, () => scale * random.nextNormal());
const chain: ChainScores = { transitions: draw(LABELS * LABELS), starts: draw(LABELS), ends: draw(LABELS) };

/** All paths of so many words. */
function paths(length: number, numLabels = LABELS): number[][] {
  if (length === 0) return [[]];
  return paths(length - 1, numLabels).flatMap((path) => Array.from({ length: numLabels }, (_, tag) => [...path, tag]));
}

const logSum = (terms: readonly number[]): number => Math.log(terms.reduce((sum, x) => sum + Math.exp(x), 0));

function window(sentence: number, first: number, labels: readonly number[], endsSentence: boolean): TaggingWindow {
  const count = labels.length;
  return {
    // A token before the words and one behind.
    ...{ tokens: new Int32Array(count + 2).fill(7), firstStart: 1, secondStart: count + 2, secondType: 0 },
    ...{ truncated: false, sentence, endsSentence },
    words: Int32Array.from({ length: count }, (_, i) => first + i),
    places: Int32Array.from({ length: count }, (_, i) => 1 + i),
    labels: Int32Array.from(labels),
  };
}

/** Two whole sentences, one in two windows, and one with a word whose tag is not known; three of them in one row. */
const windows = [
  window(0, 0, [0, 2, 1], true),
  window(1, 0, [1, 1], false),
  window(1, 2, [0, 2], true),
  window(2, 0, [2, UNSCORED, 0, 1], true),
  window(3, 0, [1], true),
];

function batchOf(list: readonly TaggingWindow[], layout?: Parameters<typeof textBatch>[1]["layout"]): Batch {
  const batch = textBatch(list, { maxSeqLength: 12, packed: true, padId: 0, layout });
  const starts = batch.tensors.firstTokens!.data;
  const places = list.flatMap((own, i) => Array.from(own.places, (place) => starts[i]! + place));
  const labels = list.flatMap((own) => [...own.labels]);
  const room = places.length + 3;
  const filled = (data: readonly number[], fill: number): HostTensor => ({
    dtype: "i32",
    shape: [room],
    data: Int32Array.from({ length: room }, (_, i) => data[i] ?? fill),
  });
  const { firstTokens: _first, lastTokens: _last, ...rows } = batch.tensors;
  const tensors = { ...rows, wordPlaces: filled(places, 0), labels: filled(labels, UNSCORED) };
  const lists = { wordPlaces: { count: places.length, beside: { labels: UNSCORED } } };
  return withChains({ ...batch, tensors, lists, counts: { words: labels.length } }, list);
}

const names = ["wordPlaces", "labels", "labelsBefore", "endsText", "chainPlaces", "chainEnds"] as const;

/** The loss as a function of the words' scores and the chain's. */
function lossOf(batch: Batch) {
  const field = new ConditionalRandomField(LABELS);
  return (inputs: readonly Tensor[]): readonly Tensor[] => {
    const [logits, transitions, starts, ends, ...given] = inputs as [Tensor, Tensor, Tensor, Tensor, ...Tensor[]];
    const values = new Map([
      [field.transitions, transitions],
      [field.startTransitions, starts],
      [field.endTransitions, ends],
    ]);
    const context = { parameter: (parameter: typeof field.transitions) => values.get(parameter)! } as ForwardContext;
    const tensors = Object.fromEntries(names.map((name, i) => [name, given[i]!]));
    expect(given.length).toBe(names.length);
    expect(batch.tensors.labels!.shape).toEqual(tensors.labels!.shape);
    return [chainLoss(field, context, logits, tensors)];
  };
}

function inputsOf(batch: Batch, logits: Float64Array): HostTensor[] {
  const f64 = (data: ArrayLike<number>, ...shape: number[]): HostTensor => ({
    ...tensorType("f64", shape),
    data: Float64Array.from(data),
  });
  const room = batch.tensors.labels!.shape[0]!;
  return [
    f64(logits, room, LABELS),
    f64(chain.transitions, LABELS, LABELS),
    f64(chain.starts, LABELS),
    f64(chain.ends, LABELS),
    ...names.map((name) => batch.tensors[name]!),
  ];
}

function measured(batch: Batch, logits: Float64Array): number {
  const inputs = inputsOf(batch, logits);
  const types = Object.fromEntries(inputs.map((x, i) => [`x${i}`, tensorType(x.dtype, x.shape)]));
  const graph = trace("loss", types, (symbols) => ({ loss: lossOf(batch)(Object.values(symbols))[0]! }));
  return evaluateGraph(decompose(graph), inputs)[0]!.data[0]!;
}

/** Nats of a run of words by all its paths. */
function brute(scores: readonly number[][], labels: readonly number[], begins: boolean, isEnd: boolean): number {
  const score = (path: readonly number[]): number =>
    path.reduce(
      (sum, tag, i) => {
        const before = i === 0 ? (begins ? chain.starts[tag]! : 0) : chain.transitions[path[i - 1]! * LABELS + tag]!;
        return sum + scores[i]![tag]! + before;
      },
      isEnd ? chain.ends[path.at(-1)!]! : 0,
    );
  return logSum(paths(labels.length).map(score)) - score(labels);
}

/** The runs of {@link windows}: first word in the list, labels, and whether they are the sentence's ends. */
const runs: readonly (readonly [first: number, labels: number[], begins: boolean, ends: boolean])[] = [
  [0, [0, 2, 1], true, true],
  [3, [1, 1], true, false],
  [5, [0, 2], false, true],
  [7, [2], true, false],
  [9, [0, 1], false, true],
  [11, [1], true, true],
];

describe("the loss of chains", () => {
  const batch = batchOf(windows);
  const room = batch.tensors.labels!.shape[0]!;
  const logits = Float64Array.from(draw(room * LABELS));
  const scoresAt = (word: number): number[] => [...logits.subarray(word * LABELS, (word + 1) * LABELS)];
  const expected = runs.reduce((sum, [first, labels, begins, ends]) => {
    return (
      sum +
      brute(
        labels.map((_, i) => scoresAt(first + i)),
        labels,
        begins,
        ends,
      )
    );
  }, 0);

  test("is that of all paths, in packed rows too (bug: a chain that goes on in the next sentence, start scores in a later window)", () => {
    expect(batch.tensors.sequenceIds!.shape[0]).toBeLessThan(windows.length);
    expect(measured(batch, logits)).toBeCloseTo(expected, 10);
  });

  test("does not depend on the rows", () => {
    const rows = { rows: windows.map((_, i) => [i]), numRows: windows.length, width: 9 };
    expect(measured(batchOf(windows, rows), logits)).toBeCloseTo(expected, 10);
  });

  test("of two halves of a batch is that of the whole (bug: chains cut by the division)", () => {
    const rows = { rows: [[0, 1], [2], [3], [4]], numRows: 4, width: 9 };
    const whole = batchOf(windows, rows);
    const parts = divideBatch(whole, 2);
    const halves = parts.map((part) => {
      const items = part.tensors["laneItems.wordPlaces"]!.data;
      const own = new Float64Array(part.tensors.labels!.shape[0]! * LABELS);
      for (let i = 0; i < part.lists!.wordPlaces!.count; i++) own.set(scoresAt(items[i]!), i * LABELS);
      return measured(part, own);
    });
    expect(halves[0]! + halves[1]!).toBeCloseTo(expected, 10);
  });

  test("has the gradients of central differences in double precision", () => {
    expect(gradientErrors(lossOf(batch), inputsOf(batch, logits))).toEqual([]);
  });
});

describe("decoding", () => {
  const scores = Array.from({ length: 5 }, () => draw(LABELS, 2));
  const all = paths(5).map((path) => ({ path, score: pathScore(scores, path, chain) }));

  test("the best path, the sum over all, and how likely each tag is are those of all paths", () => {
    const best = all.reduce((a, b) => (b.score > a.score ? b : a));
    expect([...bestPath(scores, chain)]).toEqual(best.path);
    const whole = logSum(all.map(({ score }) => score));
    expect(logPartition(scores, chain)).toBeCloseTo(whole, 10);
    const decoder = chainTags(chain);
    const tags = decoder.tags(scores);
    const shares = decoder.probabilities(scores, tags);
    tags.forEach((tag, word) => {
      const through = all.filter(({ path }) => path[word] === tag).map(({ score }) => score);
      expect(shares[word]).toBeCloseTo(Math.exp(logSum(through) - whole), 10);
    });
    expect(decoder.loss(scores, Int32Array.from(best.path))).toBeCloseTo(whole - best.score, 10);
  });

  test("unknown words end a chain (bug: a path through −100)", () => {
    const labels = Int32Array.of(0, 1, UNSCORED, 2, 0);
    const expected = brute(scores.slice(0, 2), [0, 1], true, false) + brute(scores.slice(3), [2, 0], false, true);
    expect(chainTags(chain).loss(scores, labels)).toBeCloseTo(expected, 10);
  });

  test("without neighbours' scores it is the decision word by word", () => {
    const free = chainTags(freeChain(LABELS));
    const tags = independentTags.tags(scores);
    expect(free.tags(scores)).toEqual(tags);
    free.probabilities(scores, tags).forEach((share, word) => {
      expect(share).toBeCloseTo(independentTags.probabilities(scores, tags)[word]!, 12);
    });
    const labels = Int32Array.of(2, UNSCORED, 1, 0, 0);
    expect(free.loss(scores, labels)).toBeCloseTo(independentTags.loss(scores, labels), 10);
  });

  test("no path that a scheme does not allow is chosen, the best of the others is", () => {
    const labels = ["B-x", "E-x", "I-x", "O", "S-x", "B-y", "E-y"];
    const own = Array.from({ length: 4 }, () => draw(labels.length, 3));
    const allowed = allowedChain(freeChain(labels.length), labels, "BIOES");
    const isWhole = (path: readonly number[]): boolean =>
      /^(O|S-x|B-x(I-x)*E-x|B-yE-y)*$/.test(path.map((tag) => labels[tag]).join(""));
    const legal = paths(4, labels.length).filter(isWhole);
    const scoreOf = (path: readonly number[]): number => path.reduce((sum, tag, i) => sum + own[i]![tag]!, 0);
    const best = legal.reduce((a, b) => (scoreOf(b) > scoreOf(a) ? b : a));
    expect([...bestPath(own, allowed)]).toEqual(best);
    expect(logPartition(own, allowed)).toBeCloseTo(logSum(legal.map(scoreOf)), 10);
  });

  test("an empty sentence has an empty path", () => {
    expect([...bestPath([], chain)]).toEqual([]);
    expect(chainTags(chain).loss([], new Int32Array(0))).toBe(0);
  });
});
