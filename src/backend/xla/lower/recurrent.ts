/** @file Recurrent cells as functions of their own; 16-bit ones compute in f32. */
import type { OpName } from "../../../ir/graph.ts";
import { callFunction } from "./call-function.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { widen } from "./row.ts";

const logistic = (emitter: Emitter, x: Ref): Ref => emitter.unary("logistic", x);
const tanh = (emitter: Emitter, x: Ref): Ref => emitter.unary("tanh", x);
const oneMinus = (emitter: Emitter, x: Ref): Ref => emitter.subtract(emitter.fill(x, 1), x);
const logisticSlope = (emitter: Emitter, y: Ref): Ref => emitter.multiply(y, oneMinus(emitter, y));
const tanhSlope = (emitter: Emitter, y: Ref): Ref => oneMinus(emitter, emitter.multiply(y, y));

/** Equal parts along the second axis. */
function parts(emitter: Emitter, x: Ref, count: number): Ref[] {
  const width = x.shape[1]! / count;
  return Array.from({ length: count }, (_, i) => emitter.sliceAxis(x, 1, i * width, (i + 1) * width));
}

/** Operands in the dtype that cells compute in. */
function wideAll<K extends string>(emitter: Emitter, given: Readonly<Record<K, Ref>>): Record<K, Ref> {
  const entries = Object.entries<Ref>(given).map(([name, ref]) => [name, widen(emitter, ref)] as const);
  return Object.fromEntries(entries) as Record<K, Ref>;
}

function lstmGates(emitter: Emitter, gates: Ref): [Ref, Ref, Ref, Ref] {
  const [input, forget, candidate, output] = parts(emitter, gates, 4) as [Ref, Ref, Ref, Ref];
  return [logistic(emitter, input), logistic(emitter, forget), tanh(emitter, candidate), logistic(emitter, output)];
}

const lstmCell: Rule<"lstmCell"> = (context, node) => {
  const [gates, cell] = context.refsOf(node) as [Ref, Ref];
  return callFunction(context.emitter, "lstmCell", {}, { gates, cell }, (emitter, given) => {
    const wide = wideAll(emitter, given);
    const [input, forget, candidate, output] = lstmGates(emitter, wide.gates);
    const next = emitter.add(emitter.multiply(forget, wide.cell), emitter.multiply(input, candidate));
    const hidden = emitter.multiply(output, tanh(emitter, next));
    return [hidden, next].map((ref) => emitter.convert(ref, given.cell.dtype));
  });
};

const lstmCellGrad: Rule<"lstmCellGrad"> = (context, node) => {
  const [gates, cell, next, dHidden, dNext] = context.refsOf(node) as [Ref, Ref, Ref, Ref, Ref];
  const operands = { gates, cell, next, dHidden, dNext };
  return callFunction(context.emitter, "lstmCellGrad", {}, operands, (emitter, given) => {
    const wide = wideAll(emitter, given);
    const [input, forget, candidate, output] = lstmGates(emitter, wide.gates);
    const squashed = tanh(emitter, wide.next);
    const through = emitter.multiply(emitter.multiply(wide.dHidden, output), tanhSlope(emitter, squashed));
    const dCell = emitter.add(wide.dNext, through);
    const dGates = [
      emitter.multiply(emitter.multiply(dCell, candidate), logisticSlope(emitter, input)),
      emitter.multiply(emitter.multiply(dCell, wide.cell), logisticSlope(emitter, forget)),
      emitter.multiply(emitter.multiply(dCell, input), tanhSlope(emitter, candidate)),
      emitter.multiply(emitter.multiply(wide.dHidden, squashed), logisticSlope(emitter, output)),
    ];
    const results = [emitter.concatenate(dGates, 1), emitter.multiply(dCell, forget)];
    return results.map((ref) => emitter.convert(ref, given.cell.dtype));
  });
};

/** Reset, update and candidate; the reset gate multiplies the hidden part of the candidate (as cuDNN and PyTorch). */
function gruGates(emitter: Emitter, x: Ref, h: Ref): { reset: Ref; update: Ref; candidate: Ref; hiddenPart: Ref } {
  const [xr, xz, xn] = parts(emitter, x, 3) as [Ref, Ref, Ref];
  const [hr, hz, hiddenPart] = parts(emitter, h, 3) as [Ref, Ref, Ref];
  const reset = logistic(emitter, emitter.add(xr, hr));
  const update = logistic(emitter, emitter.add(xz, hz));
  const candidate = tanh(emitter, emitter.add(xn, emitter.multiply(reset, hiddenPart)));
  return { reset, update, candidate, hiddenPart };
}

const gruCell: Rule<"gruCell"> = (context, node) => {
  const [x, h, hidden] = context.refsOf(node) as [Ref, Ref, Ref];
  return callFunction(context.emitter, "gruCell", {}, { x, h, hidden }, (emitter, given) => {
    const wide = wideAll(emitter, given);
    const { update, candidate } = gruGates(emitter, wide.x, wide.h);
    const fresh = emitter.multiply(oneMinus(emitter, update), candidate);
    return [emitter.convert(emitter.add(fresh, emitter.multiply(update, wide.hidden)), given.hidden.dtype)];
  });
};

const gruCellGrad: Rule<"gruCellGrad"> = (context, node) => {
  const [x, h, hidden, dNext] = context.refsOf(node) as [Ref, Ref, Ref, Ref];
  return callFunction(context.emitter, "gruCellGrad", {}, { x, h, hidden, dNext }, (emitter, given) => {
    const wide = wideAll(emitter, given);
    const { reset, update, candidate, hiddenPart } = gruGates(emitter, wide.x, wide.h);
    const fresh = emitter.multiply(wide.dNext, oneMinus(emitter, update));
    const dCandidate = emitter.multiply(fresh, tanhSlope(emitter, candidate));
    const change = emitter.multiply(wide.dNext, emitter.subtract(wide.hidden, candidate));
    const dUpdate = emitter.multiply(change, logisticSlope(emitter, update));
    const dReset = emitter.multiply(emitter.multiply(dCandidate, hiddenPart), logisticSlope(emitter, reset));
    const results = [
      emitter.concatenate([dReset, dUpdate, dCandidate], 1),
      emitter.concatenate([dReset, dUpdate, emitter.multiply(dCandidate, reset)], 1),
      emitter.multiply(wide.dNext, update),
    ];
    return results.map((ref) => emitter.convert(ref, given.hidden.dtype));
  });
};

export const recurrentRules = { lstmCell, lstmCellGrad, gruCell, gruCellGrad } satisfies {
  readonly [P in OpName]?: Rule<P>;
};
