import { add, logistic, mul, sub, tanh } from "../elementwise.ts";
import { concatenate, split } from "../movement.ts";
import { square } from "../reduction.ts";
import type { Tensor } from "../tensor.ts";
import type { Decomposition } from "./rule.ts";

/** σ′ and tanh′ from the function's own value. */
const logisticSlope = (y: Tensor): Tensor => mul(y, sub(1, y));
const tanhSlope = (y: Tensor): Tensor => sub(1, square(y));

function lstmGates(gates: Tensor): [Tensor, Tensor, Tensor, Tensor] {
  const [input, forget, candidate, output] = split(gates, 1, 4) as [Tensor, Tensor, Tensor, Tensor];
  return [logistic(input), logistic(forget), tanh(candidate), logistic(output)];
}

export const lstmCell: Decomposition<"lstmCell"> = (inputs) => {
  const [gates, cell] = inputs as [Tensor, Tensor];
  const [input, forget, candidate, output] = lstmGates(gates);
  const next = add(mul(forget, cell), mul(input, candidate));
  return [mul(output, tanh(next)), next];
};

export const lstmCellGrad: Decomposition<"lstmCellGrad"> = (inputs) => {
  const [gates, cell, next, dHidden, dNext] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const [input, forget, candidate, output] = lstmGates(gates);
  const squashed = tanh(next);
  const dCell = add(dNext, mul(mul(dHidden, output), tanhSlope(squashed)));
  const dGates = [
    mul(mul(dCell, candidate), logisticSlope(input)),
    mul(mul(dCell, cell), logisticSlope(forget)),
    mul(mul(dCell, input), tanhSlope(candidate)),
    mul(mul(dHidden, squashed), logisticSlope(output)),
  ];
  return [concatenate(dGates, 1), mul(dCell, forget)];
};

/** Reset, update and candidate; the reset gate multiplies the hidden part of the candidate (as cuDNN and PyTorch). */
function gruGates(x: Tensor, h: Tensor): { reset: Tensor; update: Tensor; candidate: Tensor; hiddenPart: Tensor } {
  const [xr, xz, xn] = split(x, 1, 3) as [Tensor, Tensor, Tensor];
  const [hr, hz, hn] = split(h, 1, 3) as [Tensor, Tensor, Tensor];
  const reset = logistic(add(xr, hr));
  return { reset, update: logistic(add(xz, hz)), candidate: tanh(add(xn, mul(reset, hn))), hiddenPart: hn };
}

export const gruCell: Decomposition<"gruCell"> = (inputs) => {
  const [x, h, hidden] = inputs as [Tensor, Tensor, Tensor];
  const { update, candidate } = gruGates(x, h);
  return [add(mul(sub(1, update), candidate), mul(update, hidden))];
};

export const gruCellGrad: Decomposition<"gruCellGrad"> = (inputs) => {
  const [x, h, hidden, dNext] = inputs as [Tensor, Tensor, Tensor, Tensor];
  const { reset, update, candidate, hiddenPart } = gruGates(x, h);
  const dCandidate = mul(mul(dNext, sub(1, update)), tanhSlope(candidate));
  const dUpdate = mul(mul(dNext, sub(hidden, candidate)), logisticSlope(update));
  const dReset = mul(mul(dCandidate, hiddenPart), logisticSlope(reset));
  return [
    concatenate([dReset, dUpdate, dCandidate], 1),
    concatenate([dReset, dUpdate, mul(dCandidate, reset)], 1),
    mul(dNext, update),
  ];
};
