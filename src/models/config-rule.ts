/** @file Rules that the settings of several families obey. */
import type { ConfigIssue } from "../base/errors.ts";

/** As many heads as share the hidden size out evenly, of sizes as near to 64 as may be. */
function usualHeads(hiddenSize: number): number {
  const wanted = hiddenSize / 64;
  let usual = 1;
  for (let heads = 2; heads < 2 * wanted; heads++) {
    if (hiddenSize % heads === 0 && Math.abs(heads - wanted) < Math.abs(usual - wanted)) usual = heads;
  }
  return usual;
}

/** Heads share the hidden size out evenly. */
export function headsDivide({
  hiddenSize,
  numAttentionHeads,
}: {
  readonly hiddenSize: number;
  readonly numAttentionHeads: number;
}): ConfigIssue[] {
  if (hiddenSize % numAttentionHeads === 0) return [];
  const usual = usualHeads(hiddenSize);
  const message = `must divide hiddenSize; got ${numAttentionHeads} and ${hiddenSize}. Use ${usual} for heads of ${hiddenSize / usual}.`;
  return [{ path: "numAttentionHeads", message, code: "CONFIG_INDIVISIBLE" }];
}

/** LayerNorm needs something to add to a variance of 0. */
export function epsilonAboveZero({ layerNormEps }: { readonly layerNormEps: number }, usual: string): ConfigIssue[] {
  if (layerNormEps > 0) return [];
  return [{ path: "layerNormEps", message: `must be above 0; got 0. ${usual}`, code: "CONFIG_RANGE" }];
}

/**
 * Settings that change what a network computes in ways that it cannot: only one value is taken.
 * @param wanted for each setting that value, and why, as a sentence
 */
export function onlyValues(
  config: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, readonly [value: boolean, reason: string]>>,
): ConfigIssue[] {
  return Object.entries(wanted).flatMap(([path, [value, reason]]) => {
    if (config[path] === value) return [];
    return [{ path, message: `must be ${value}; got ${config[path]}. ${reason}`, code: "CONFIG_UNSUPPORTED" }];
  });
}
