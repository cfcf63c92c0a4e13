/** @file A linear chain over classes: scores of what follows what, beside those of the classes themselves. */
import { statisticDtype } from "../ir/dtype.ts";
import { add, compare, convert, exp, iota, log, mul, select, stopGradient, sub, zeros } from "../tensor/elementwise.ts";
import { concatenate, expandDims, gather, reshape, transpose } from "../tensor/movement.ts";
import { max, sum } from "../tensor/reduction.ts";
import { scan } from "../tensor/scan.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { zeros as zeroWeights } from "./initializer.ts";
import { type ForwardContext, Module, Parameter } from "./module.ts";

/** What a place of a row is to the chain that goes through it; `none` leaves the chain as it is. */
export const chainPlace = { none: 0, inner: 1, begins: 2, beginsText: 3 } as const;
/** Whether a chain ends at a place. */
export const chainEnd = { none: 0, ends: 1, endsText: 2 } as const;
/** In place of the class before, for the first of a path. */
export const noneBefore = { textBegins: -1, chainBegins: -2 } as const;

/** log Σ eˣ over an axis. */
function logSumExp(x: Tensor, axis: number): Tensor {
  const highest = stopGradient(max(x, axis, { keepDims: true }));
  const rest = x.shape.filter((_, i) => i !== axis);
  return add(log(sum(exp(sub(x, highest)), axis)), reshape(highest, rest));
}

/** Paths whose score is asked for. Dims: P places. */
export interface ChainPaths {
  /** i32 `[P]`: class of a place; −100 where it is on no path. */
  readonly labels: Tensor;
  /** i32 `[P]`: class of the place before on the path, or one of {@link noneBefore}. */
  readonly before: Tensor;
  /** i32 `[P]`: 1 where a path ends with its text, else 0. */
  readonly endsText: Tensor;
}

/**
 * A conditional random field over a chain of places: the score of a path is the sum of its classes' own scores, of a score
 * for each two neighbouring classes, and for the first and the last class of a text. Dims: L classes.
 *
 * All scores begin at 0: before training paths are as likely as without the field.
 * @source Lafferty et al. 2001; Lample et al. 2016 §2.2, arXiv:1603.01360. Tensor names as in the package pytorch-crf
 */
export class ConditionalRandomField extends Module {
  /** `[L, L]`: of a class (row) before another (column). */
  readonly transitions: Parameter;
  /** `[L]`. */
  readonly startTransitions: Parameter;
  /** `[L]`. */
  readonly endTransitions: Parameter;
  readonly numLabels: number;

  constructor(numLabels: number) {
    super();
    this.numLabels = numLabels;
    this.transitions = new Parameter([numLabels, numLabels], zeroWeights, { decays: false });
    this.startTransitions = new Parameter([numLabels], zeroWeights, { decays: false });
    this.endTransitions = new Parameter([numLabels], zeroWeights, { decays: false });
  }

  /**
   * Parts of the scores of paths, place by place; the sum over a path's places is its score. Dims: P places.
   * @param emissions float `[P, L]`: the classes' own scores
   * @returns float `[P]`, 0 where a place is on no path; statistics dtype
   */
  pathScores(context: ForwardContext, emissions: Tensor, { labels, before, endsText }: ChainPaths): Tensor {
    const scores = convert(emissions, statisticDtype(emissions.dtype));
    const [places, classes] = scores.shape as [number, number];
    const isScored = compare("ge", labels, 0);
    const label = select(isScored, labels, 0);
    const pick = (table: Tensor, row: Tensor): Tensor => gather(reshape(table, [-1]), add(mul(row, classes), label));
    const own = pick(scores, iota([places]));
    // Behind the classes' rows: what a text begins with, and nothing.
    const { transitions, starts, ends } = this.tables(context, scores);
    const firsts = concatenate([transitions, expandDims(starts, 0), zeros([1, classes], scores.dtype)], 0);
    const row = select(compare("ge", before, 0), before, sub(classes - 1, before));
    const last = select(compare("eq", endsText, 1), gather(ends, label), 0);
    return select(isScored, add(add(own, pick(firsts, row)), last), 0);
  }

  /**
   * For each row the sum over its chains of log Σ e^score over all paths of the chain. Dims: R rows of W places.
   * @param emissions float `[R, W, L]`
   * @param places i32 `[R, W]`: of {@link chainPlace}
   * @param ends i32 `[R, W]`: of {@link chainEnd}
   * @returns float `[R]` in the dtype of statistics
   */
  logPartitions(context: ForwardContext, emissions: Tensor, places: Tensor, ends: Tensor): Tensor {
    const scores = convert(emissions, statisticDtype(emissions.dtype));
    const [rows, , classes] = scores.shape as [number, number, number];
    const tables = this.tables(context, scores);
    const isOf = (kinds: Tensor, kind: number): Tensor => expandDims(compare("eq", kinds, kind), 2);
    const first = select(isOf(places, chainPlace.beginsText), tables.starts, 0);
    const last = select(isOf(ends, chainEnd.endsText), tables.ends, 0);
    const byPlace = (x: Tensor): Tensor => transpose(x, x.rank === 3 ? [1, 0, 2] : [1, 0]);
    const { carries } = scan(
      ([scoresSoFar, total], [own, begin, finish, kind, end]) => {
        // [R, from, to]
        const paths = add(expandDims(scoresSoFar!, 2), tables.transitions);
        const isFirst = expandDims(compare("ge", kind!, chainPlace.begins), 1);
        const isIn = expandDims(compare("ge", kind!, chainPlace.inner), 1);
        const reached = add(own!, select(isFirst, begin!, logSumExp(paths, 1)));
        const next = select(isIn, reached, scoresSoFar!);
        const whole = logSumExp(add(next, finish!), 1);
        const added = select(compare("ge", end!, chainEnd.ends), whole, 0);
        return { carries: [next, add(total!, added)], outputs: [] };
      },
      [zeros([rows, classes], scores.dtype), zeros([rows], scores.dtype)],
      [scores, first, last, places, ends].map(byPlace),
    );
    return carries[1]!;
  }

  private tables(context: ForwardContext, { dtype }: Tensor) {
    const read = (parameter: Parameter): Tensor => convert(context.parameter(parameter), dtype);
    return {
      transitions: read(this.transitions),
      starts: read(this.startTransitions),
      ends: read(this.endTransitions),
    };
  }
}
