/** @file The stochastic answer network: a pair of texts is read several times, and the answers of all times are averaged. */
import { statisticDtype } from "../ir/dtype.ts";
import { customGradient } from "../tensor/call.ts";
import {
  abs,
  add,
  and,
  compare,
  constant,
  convert,
  exp,
  iota,
  log,
  mul,
  not,
  or,
  select,
  stopGradient,
  sub,
} from "../tensor/elementwise.ts";
import { dropoutMask, gruCell, linear, softmax } from "../tensor/fused.ts";
import { dot } from "../tensor/linear-algebra.ts";
import { concatenate, expandDims, gather, reshape } from "../tensor/movement.ts";
import { max, sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Initializer } from "./initializer.ts";
import { dropout, Linear } from "./layers.ts";
import { type ForwardContext, Module, Parameter } from "./module.ts";

/** A score whose exponential is 0 in f32. */
const BLOCKED = -10_000;

/** The tokens of pairs of texts. Dims: S pairs, T tokens of all of them, H hidden. */
export interface PairTokens {
  /** float `[T, H]`, in any order. */
  readonly states: Tensor;
  /** bool `[S, T]`: which tokens are of the first text of a pair, its special tokens included. */
  readonly first: Tensor;
  /** bool `[S, T]`: which are of the second. */
  readonly second: Tensor;
}

/** Where pairs lie in packed rows. */
export interface PairPlaces {
  /** i32 `[R, W]`: 0 for padding, else which pair of its row a token belongs to. */
  readonly sequenceIds: Tensor;
  /** i32 `[S]`: the place of each pair's first token over all rows. */
  readonly firstTokens: Tensor;
  /** i32 `[S]`: tokens of the pair before its second text. */
  readonly secondOffsets: Tensor;
}

/**
 * The tokens of pairs in packed rows. Dims: R rows, W tokens a row.
 * @param states float `[R, W, H]`
 */
export function pairTokens(states: Tensor, { sequenceIds, firstTokens, secondOffsets }: PairPlaces): PairTokens {
  const [rows, width, size] = states.shape as [number, number, number];
  const numTokens = rows * width;
  // Numbers that no two pairs have in common, whatever their rows.
  const pairs = reshape(add(mul(iota([rows, width], 0), width + 1), sequenceIds), [numTokens]);
  const isOwn = compare("eq", expandDims(gather(pairs, firstTokens), 1), expandDims(pairs, 0));
  const isLate = compare("ge", iota([1, numTokens], 1), expandDims(add(firstTokens, secondOffsets), 1));
  return {
    states: reshape(states, [numTokens, size]),
    first: and(isOwn, not(isLate)),
    second: and(isOwn, isLate),
  };
}

export interface StochasticAnswerOptions {
  readonly hiddenSize: number;
  readonly numLabels: number;
  /** How often the first text is read; the authors' 5. */
  readonly numSteps: number;
  /** Share of the readings that training leaves out of a pair's average, each as a whole; the authors' 0.1. */
  readonly stepDropout: number;
  /** Of what the answers are made from, and of the state. */
  readonly dropout: number;
  readonly init: Initializer;
}

/**
 * Log-probabilities of classes for pairs of texts. The second text, summed up, is the first state; each step the state
 * attends to the first text, what it finds and the state give an answer, and a GRU makes the next state of both. The
 * probabilities of all steps are averaged.
 *
 * In training whole steps are left out of a pair's average at random; a pair that would lose all keeps all. The average is
 * over the kept ones, so it stays a distribution. The authors divide by the expected number instead: their loss differs by
 * a number that no parameter moves, so the gradient is the same.
 * @source Liu, Duan & Gao 2018, arXiv:1804.07888; as a head of MT-DNN in Liu et al. 2019 §3.1, arXiv:1901.11504
 */
export class StochasticAnswerNetwork extends Module {
  /** θ₀ `[1, H]`: which tokens of the second text the first state is made of. */
  readonly summary: Parameter;
  /** θ₁: what a state asks of the first text. */
  readonly question: Linear;
  /** Reset, update and new of the GRU, from what was read and from the state. */
  readonly inputGates: Linear;
  readonly stateGates: Linear;
  /** θ₂ on [state; read; |state − read|; state · read]. */
  readonly answer: Linear;
  private readonly options: StochasticAnswerOptions;

  constructor(options: StochasticAnswerOptions) {
    super();
    const { hiddenSize, numLabels, init } = options;
    this.summary = new Parameter([1, hiddenSize], init, { decays: true });
    this.question = new Linear(hiddenSize, hiddenSize, init);
    this.inputGates = new Linear(hiddenSize, 3 * hiddenSize, init);
    this.stateGates = new Linear(hiddenSize, 3 * hiddenSize, init);
    this.answer = new Linear(4 * hiddenSize, numLabels, init);
    this.options = options;
  }

  /** @returns float `[S, numLabels]`, f32 for 16-bit states: the logarithm of the averaged probabilities */
  apply(context: ForwardContext, { states, first, second }: PairTokens): Tensor {
    const { numSteps } = this.options;
    const weights = reshape(linear(states, context.parameter(this.summary)), [1, -1]);
    let state = read(states, weights, second);
    const answers: Tensor[] = [];
    for (let step = 0; step < numSteps; step++) {
      const asked = this.question.apply(context, state);
      const found = read(states, dot(asked, states, { lhsContract: [1], rhsContract: [1] }), first);
      answers.push(this.logProbabilities(context, state, found));
      if (step + 1 === numSteps) break;
      const kept = dropout(context, state, this.options.dropout);
      state = gruCell(this.inputGates.apply(context, found), this.stateGates.apply(context, kept), kept);
    }
    return this.average(context, answers);
  }

  /** One step's answer, `[S, numLabels]`. */
  private logProbabilities(context: ForwardContext, state: Tensor, found: Tensor): Tensor {
    const merged = concatenate([state, found, abs(sub(state, found)), mul(state, found)], 1);
    const scores = this.answer.apply(context, dropout(context, merged, this.options.dropout));
    const logits = convert(scores, statisticDtype(scores.dtype));
    return sub(logits, expandDims(logSumExp(logits, 1), 1));
  }

  private average(context: ForwardContext, answers: readonly Tensor[]): Tensor {
    const { numSteps, stepDropout } = this.options;
    const all = concatenate(
      answers.map((answer) => expandDims(answer, 1)),
      1,
    );
    if (!context.training || stepDropout === 0) return sub(logSumExp(all, 1), Math.log(numSteps));
    const drawn = compare("gt", dropoutMask(context.randomKey(), [all.dim(0), numSteps], stepDropout), 0);
    const isLost = compare("eq", sum(convert(drawn, all.dtype), 1), 0);
    const isKept = or(drawn, expandDims(isLost, 1));
    const count = sum(convert(isKept, all.dtype), 1);
    const blocked = select(isKept, constant(0, all.dtype), BLOCKED);
    return sub(logSumExp(add(all, expandDims(blocked, 2)), 1), expandDims(log(count), 1));
  }
}

/**
 * What attention finds: the mean of some tokens' states.
 * @param scores float `[S, T]` or `[1, T]`
 * @param mask bool `[S, T]`: the tokens that may be looked at
 * @returns float `[S, H]`
 */
function read(states: Tensor, scores: Tensor, mask: Tensor): Tensor {
  const open = select(mask, convert(scores, statisticDtype(scores.dtype)), BLOCKED);
  return mixed(convert(softmax(open), states.dtype), states)[0]!;
}

/**
 * shares `[S, T]` · states `[T, H]`. The states are read many times: their gradients are made row by row, as they lie, not
 * in columns as the derived rule would, so that engines can add them up in their products.
 */
const mixed = customGradient(
  (shares, states) => dot(shares!, states!, { lhsContract: [1], rhsContract: [0] }),
  ({ inputs, cotangents }) => {
    const [shares, states] = inputs as readonly [Tensor, Tensor];
    const [slope] = cotangents as readonly [Tensor];
    return [
      dot(slope, states, { lhsContract: [1], rhsContract: [1] }),
      dot(shares, slope, { lhsContract: [0], rhsContract: [0] }),
    ];
  },
  "mixed",
);

/** log Σ eˣ over an axis, which goes. */
function logSumExp(x: Tensor, axis: number): Tensor {
  const highest = stopGradient(max(x, axis));
  return add(log(sum(exp(sub(x, expandDims(highest, axis))), axis)), highest);
}
