/** @file LSTM layers over packed rows. */
import { add, compare, convert, select, zeros } from "../tensor/elementwise.ts";
import { linear, lstmCell } from "../tensor/fused.ts";
import { concatenate, expandDims, sliceAxis, transpose } from "../tensor/movement.ts";
import { scan } from "../tensor/scan.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Initializer, zeros as zeroWeights } from "./initializer.ts";
import { type ForwardContext, Module, Parameter } from "./module.ts";

/** Where sequences begin, for each direction: i32 `[R, W]`, 1 at the first token that the direction reads of one, else 0. */
export interface SequenceStarts {
  readonly forward: Tensor;
  readonly backward: Tensor;
}

/** The starts of packed rows: a token begins where its neighbour before is another sequence's. @param ids i32 `[R, W]` */
export function sequenceStarts(ids: Tensor): SequenceStarts {
  const [rows, width] = ids.shape as [number, number];
  // No sequence has this number.
  const edge = add(zeros([rows, 1], "i32"), -1);
  const before = width === 1 ? edge : concatenate([edge, sliceAxis(ids, 1, 0, width - 1)], 1);
  const behind = width === 1 ? edge : concatenate([sliceAxis(ids, 1, 1, width), edge], 1);
  return {
    forward: convert(compare("ne", ids, before), "i32"),
    backward: convert(compare("ne", ids, behind), "i32"),
  };
}

/** One direction of an LSTM; its state begins at 0 in every sequence of a row. @source Hochreiter & Schmidhuber 1997 */
export class Lstm extends Module {
  /** `[4S, I]`: of input, forget, cell and output gate. */
  readonly inputWeight: Parameter;
  /** `[4S, S]`. */
  readonly recurrentWeight: Parameter;
  readonly bias: Parameter;
  readonly size: number;
  private readonly reverse: boolean;

  constructor(inputSize: number, size: number, options: { readonly init: Initializer; readonly reverse: boolean }) {
    super();
    const { init, reverse } = options;
    this.inputWeight = new Parameter([4 * size, inputSize], init, { decays: true });
    this.recurrentWeight = new Parameter([4 * size, size], init, { decays: true });
    this.bias = new Parameter([4 * size], zeroWeights, { decays: false });
    this.size = size;
    this.reverse = reverse;
  }

  /**
   * States at all places.
   * @param x float `[R, W, I]`
   * @returns float `[R, W, S]`
   */
  apply(context: ForwardContext, x: Tensor, starts: SequenceStarts): Tensor {
    const gates = linear(x, context.parameter(this.inputWeight), context.parameter(this.bias));
    const recurrent = context.parameter(this.recurrentWeight);
    const begins = transpose(this.reverse ? starts.backward : starts.forward, [1, 0]);
    const none = zeros([x.dim(0), this.size], gates.dtype);
    const { outputs } = scan(
      ([hidden, cell], [own, isFirst]) => {
        const keeps = expandDims(compare("eq", isFirst!, 0), 1);
        const [before, kept] = [select(keeps, hidden!, 0), select(keeps, cell!, 0)];
        const next = lstmCell(add(own!, linear(before, recurrent)), kept);
        return { carries: [next.hidden, next.cell], outputs: [next.hidden] };
      },
      [none, none],
      [transpose(gates, [1, 0, 2]), begins],
      { reverse: this.reverse },
    );
    return transpose(outputs[0]!, [1, 0, 2]);
  }
}

/** Both directions over the same tokens. */
export class BiLstm extends Module {
  readonly forward: Lstm;
  readonly backward: Lstm;

  /** @param size of each direction */
  constructor(inputSize: number, size: number, init: Initializer) {
    super();
    this.forward = new Lstm(inputSize, size, { init, reverse: false });
    this.backward = new Lstm(inputSize, size, { init, reverse: true });
  }

  /** States of both directions, float `[R, W, S]` each. */
  directions(context: ForwardContext, x: Tensor, starts: SequenceStarts): { left: Tensor; right: Tensor } {
    return { left: this.forward.apply(context, x, starts), right: this.backward.apply(context, x, starts) };
  }
}
