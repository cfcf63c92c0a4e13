/** @file From the scores of a sentence's words to their tags: word by word, or along the best path of a chain. */
import { mayFollow, type TagScheme } from "../evaluation/index.ts";
import { UNSCORED } from "../ir/unscored.ts";
import { argMax, softmax } from "./classification-evaluation.ts";

/** Scores of one word's tags, by their numbers. */
export type TagScores = ArrayLike<number>;

/** What decides on the tags of a sentence. */
export interface TagDecoder {
  /** The best tags, by their numbers. */
  tags(scores: readonly TagScores[]): Int32Array;
  /** How likely each of the given tags is, in [0, 1]. */
  probabilities(scores: readonly TagScores[], tags: Int32Array): Float64Array;
  /** Nats of all words whose tag is known. @param labels −100 where it is not */
  loss(scores: readonly TagScores[], labels: Int32Array): number;
}

/** The best tag of each word, whatever stands beside it. */
export const independentTags: TagDecoder = {
  tags: (scores) => Int32Array.from(scores, argMax),
  probabilities: (scores, tags) => Float64Array.from(scores, (own, word) => softmax(own)[tags[word]!]!),
  loss: (scores, labels) =>
    scores.reduce((sum, own, word) => {
      const label = labels[word]!;
      return label === UNSCORED ? sum : sum - Math.log(Math.max(softmax(own)[label]!, Number.MIN_VALUE));
    }, 0),
};

/** Scores of neighbouring tags. Dims: L tags. */
export interface ChainScores {
  /** `[L · L]`: of a tag before another, at `before · L + tag`. */
  readonly transitions: ArrayLike<number>;
  /** `[L]`: of a sentence's first tag. */
  readonly starts: ArrayLike<number>;
  /** `[L]`: of its last. */
  readonly ends: ArrayLike<number>;
}

/** The parameters of a tagger that hold its {@link ChainScores}. */
export const chainParameters = {
  transitions: "crf.transitions",
  starts: "crf.startTransitions",
  ends: "crf.endTransitions",
} as const satisfies Readonly<Record<keyof ChainScores, string>>;

/** Scores by which no neighbour matters. */
export function freeChain(numLabels: number): ChainScores {
  const none = new Float64Array(numLabels);
  return { transitions: new Float64Array(numLabels * numLabels), starts: none, ends: none };
}

/** The same scores, −∞ for what a scheme does not allow. */
export function allowedChain(chain: ChainScores, labels: readonly string[], scheme: TagScheme): ChainScores {
  const only = (score: number, isAllowed: boolean): number => (isAllowed ? score : Number.NEGATIVE_INFINITY);
  const transitions = Float64Array.from(chain.transitions);
  labels.forEach((before, from) => {
    labels.forEach((tag, to) => {
      const at = from * labels.length + to;
      transitions[at] = only(transitions[at]!, mayFollow(scheme, before, tag));
    });
  });
  const starts = Float64Array.from(labels, (tag, i) => only(chain.starts[i]!, mayFollow(scheme, undefined, tag)));
  const ends = Float64Array.from(labels, (tag, i) => only(chain.ends[i]!, mayFollow(scheme, tag, undefined)));
  return { transitions, starts, ends };
}

function logSumExp(terms: ArrayLike<number>): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < terms.length; i++) highest = Math.max(highest, terms[i]!);
  if (highest === Number.NEGATIVE_INFINITY) return highest;
  let total = 0;
  for (let i = 0; i < terms.length; i++) total += Math.exp(terms[i]! - highest);
  return highest + Math.log(total);
}

/** Which ends of a run of words are those of its sentence. */
interface Ends {
  readonly begins: boolean;
  readonly ends: boolean;
}
const WHOLE: Ends = { begins: true, ends: true };

/** For each word and tag log Σ e^score over the paths up to there. */
function forward(scores: readonly TagScores[], { transitions, starts }: ChainScores, { begins }: Ends): Float64Array[] {
  const numLabels = starts.length;
  const terms = new Float64Array(numLabels);
  const reached: Float64Array[] = [];
  scores.forEach((own, word) => {
    const before = reached[word - 1];
    reached.push(
      Float64Array.from({ length: numLabels }, (_, tag) => {
        if (before === undefined) return own[tag]! + (begins ? starts[tag]! : 0);
        for (let from = 0; from < numLabels; from++) terms[from] = before[from]! + transitions[from * numLabels + tag]!;
        return own[tag]! + logSumExp(terms);
      }),
    );
  });
  return reached;
}

/** For each word and tag log Σ e^score over the paths from there on, its own score left out. */
function backward(scores: readonly TagScores[], { transitions, starts, ends }: ChainScores): Float64Array[] {
  const numLabels = starts.length;
  const terms = new Float64Array(numLabels);
  const rest = new Array<Float64Array>(scores.length);
  for (let word = scores.length - 1; word >= 0; word--) {
    const [next, after] = [scores[word + 1], rest[word + 1]];
    rest[word] = Float64Array.from({ length: numLabels }, (_, tag) => {
      if (next === undefined || after === undefined) return ends[tag]!;
      for (let to = 0; to < numLabels; to++) {
        terms[to] = transitions[tag * numLabels + to]! + next[to]! + after[to]!;
      }
      return logSumExp(terms);
    });
  }
  return rest;
}

/** log Σ e^score over all paths of a run of words, of a whole sentence by default. */
export function logPartition(scores: readonly TagScores[], chain: ChainScores, ends: Ends = WHOLE): number {
  const last = forward(scores, chain, ends).at(-1);
  if (last === undefined) return 0;
  return logSumExp(ends.ends ? last.map((score, tag) => score + chain.ends[tag]!) : last);
}

/** The score of one path. */
export function pathScore(
  scores: readonly TagScores[],
  path: ArrayLike<number>,
  { transitions, starts, ends }: ChainScores,
  { begins, ends: isEnd }: Ends = WHOLE,
): number {
  const own = scores.reduce((sum, word, i) => {
    const before = i === 0 ? undefined : path[i - 1]!;
    const neighbour =
      before === undefined ? (begins ? starts[path[i]!]! : 0) : transitions[before * starts.length + path[i]!]!;
    return sum + word[path[i]!]! + neighbour;
  }, 0);
  return own + (isEnd && scores.length > 0 ? ends[path[scores.length - 1]!]! : 0);
}

/**
 * The tags of a sentence along the path of the highest score; of equal ones that with the lower tags.
 *
 * For exported taggers: `scores` are the rows of `logits` at the first token of each word, in the words' order, and `chain`
 * holds the outputs `transitions`, `start_transitions` and `end_transitions`. The result numbers the classes of config.json.
 * @param scores for each word the scores of its tags
 * @source Viterbi 1967
 */
export function bestPath(scores: readonly TagScores[], { transitions, starts, ends }: ChainScores): Int32Array {
  const numLabels = starts.length;
  let best = new Float64Array(0);
  const from = scores.map((own, word) => {
    const pointers = new Int32Array(numLabels);
    const reached = Float64Array.from({ length: numLabels }, (_, tag) => {
      if (word === 0) return own[tag]! + starts[tag]!;
      let highest = Number.NEGATIVE_INFINITY;
      for (let before = 0; before < numLabels; before++) {
        const score = best[before]! + transitions[before * numLabels + tag]!;
        if (score <= highest) continue;
        highest = score;
        pointers[tag] = before;
      }
      return highest + own[tag]!;
    });
    best = reached;
    return pointers;
  });
  const path = new Int32Array(scores.length);
  if (scores.length === 0) return path;
  path[scores.length - 1] = argMax(best.map((score, tag) => score + ends[tag]!));
  for (let word = scores.length - 1; word > 0; word--) path[word - 1] = from[word]![path[word]!]!;
  return path;
}

/**
 * Tags along the best path of a chain, each as likely as all paths through it together.
 * @param allowed the chain without the paths that are never chosen; the loss counts all
 */
export function chainTags(chain: ChainScores, allowed: ChainScores = chain): TagDecoder {
  return {
    tags: (scores) => bestPath(scores, allowed),
    probabilities: (scores, tags) => {
      const whole = logPartition(scores, allowed);
      const [before, after] = [forward(scores, allowed, WHOLE), backward(scores, allowed)];
      return Float64Array.from(tags, (tag, word) => Math.exp(before[word]![tag]! + after[word]![tag]! - whole));
    },
    loss: (scores, labels) => {
      let sum = 0;
      for (let first = 0; first < scores.length; ) {
        if (labels[first] === UNSCORED) {
          first++;
          continue;
        }
        let end = first + 1;
        while (end < scores.length && labels[end] !== UNSCORED) end++;
        // Words whose tag is not known end one chain and begin another.
        const [own, path] = [scores.slice(first, end), labels.subarray(first, end)];
        const ends = { begins: first === 0, ends: end === scores.length };
        sum += logPartition(own, chain, ends) - pathScore(own, path, chain, ends);
        first = end;
      }
      return sum;
    },
  };
}
