/** @file The few elements of the loss that the labels pick. */
import { UNSCORED } from "../../ir/unscored.ts";
import type { HostKernel } from "./host-kernel.ts";

/** (log-probabilities [M, V], labels [M]) → −log p at the label, 0 where nothing is scored. */
export const labelLoss: HostKernel = ({ inputs: [table] }) => {
  const [rows, classes] = table!.shape as readonly [number, number];
  return ([logs, labels], [losses]) => {
    for (let row = 0; row < rows; row++) {
      const label = labels![row]!;
      losses![row] = label === UNSCORED ? 0 : -logs![row * classes + label]!;
    }
  };
};

/** (labels [M], dLoss [M]) → [M, V]: −dLoss at the label of a scored row, 0 elsewhere. */
export const labelSeed: HostKernel = ({ outputs: [seed] }) => {
  const [rows, classes] = seed!.shape as readonly [number, number];
  return ([labels, slopes], [target]) => {
    target!.fill(0);
    for (let row = 0; row < rows; row++) {
      const label = labels![row]!;
      if (label !== UNSCORED) target![row * classes + label] = -slopes![row]!;
    }
  };
};

/** (logits [M, V], log-probabilities [M, V]) → log Σ eˡᵒᵍⁱᵗ [M]: their difference, the same in every column. */
export const logSum: HostKernel = ({ inputs: [table] }) => {
  const [rows, classes] = table!.shape as readonly [number, number];
  return ([logits, logs], [sums]) => {
    for (let row = 0; row < rows; row++) {
      // In the column of the largest logit nothing cancels.
      let best = row * classes;
      for (let i = best + 1; i < (row + 1) * classes; i++) if (logits![i]! > logits![best]!) best = i;
      sums![row] = logits![best]! - logs![best]!;
    }
  };
};
