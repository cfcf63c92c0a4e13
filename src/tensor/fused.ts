/** @file The composites as functions: what models are written with. */
import { barrier, constant } from "./elementwise.ts";
import type { Tensor } from "./tensor.ts";
import { emit, emitOne } from "./trace.ts";

/**
 * x · weightᵀ + bias. Dims: I in, O out.
 * @param x float `[…, I]`
 * @param weight float `[O, I]`, as Hugging Face stores it
 * @param bias float `[O]`
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return emitOne("linear", bias === undefined ? [x, weight] : [x, weight, bias], { bias: bias !== undefined });
}

/**
 * x · (weight · scale) + bias with x rounded to 8 bits and a product of whole numbers, for prediction only: no gradient.
 * Dims: I in, O out. One step size serves all of x, so a row's result depends a little on the rows beside it.
 * @param x float `[…, I]`
 * @param weight i8 `[I, O]`, transposed against `linear`
 * @param scale float `[O]`: what one step of an output's weights is worth
 * @param bias float `[O]`
 */
export function quantizedLinear(x: Tensor, weight: Tensor, scale: Tensor, bias?: Tensor): Tensor {
  const inputs = bias === undefined ? [x, weight, scale] : [x, weight, scale, bias];
  return emitOne("quantizedLinear", inputs, { bias: bias !== undefined });
}

/**
 * Normalises the last axis to mean 0 and variance 1 (biased), then scales and shifts.
 * @source Ba et al. 2016, arXiv:1607.06450
 */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): Tensor {
  return emitOne("layerNorm", [x, gain, bias], { epsilon });
}

/** eˣ / Σ eˣ over the last axis. */
export function softmax(x: Tensor): Tensor {
  return emitOne("softmax", [x], {});
}

/** x·Φ(x); `tanh` is the approximation of GPT and ALBERT. @source Hendrycks & Gimpel 2016, arXiv:1606.08415 */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  return emitOne("gelu", [x], { approximate });
}

export interface AttentionOptions {
  /** Multiplies the scores; 1/√D by default. */
  readonly scale?: number;
  /** float, broadcast to `[B, N, T, S]`, added to the scores. */
  readonly bias?: Tensor | undefined;
  /** float `[B, N, T, S]` from `dropoutMask`, multiplied with the probabilities. */
  readonly dropoutMask?: Tensor | undefined;
}

/**
 * Scaled dot-product attention. Dims: B batch, T queries, S keys, N heads, D head size.
 * @param query float `[B, T, N, D]`
 * @param key float `[B, S, N, D]`
 * @param value float `[B, S, N, D]`
 * @returns float `[B, T, N, D]`
 * @source Vaswani et al. 2017 §3.2.1, arXiv:1706.03762
 */
export function attention(query: Tensor, key: Tensor, value: Tensor, options: AttentionOptions = {}): Tensor {
  const { scale = 1 / Math.sqrt(query.dim(-1)), bias, dropoutMask: mask } = options;
  const inputs = [query, key, value, ...(bias === undefined ? [] : [bias]), ...(mask === undefined ? [] : [mask])];
  return emitOne("attention", inputs, { scale, bias: bias !== undefined, mask: mask !== undefined });
}

/**
 * Cross-entropy of each row in nats; 0 where the label is −100. Dims: M rows, V classes.
 * @param logits float `[M, V]`, unnormalised
 * @param labels i32 `[M]`, in [0, V) or −100 (unscored)
 * @returns float `[M]`
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  return emitOne("crossEntropy", [logits, labels], {});
}

/** Rows of `table [V, H]` at ids (i32, any shape). */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  return emitOne("embedding", [table, ids], {});
}

/** Hidden and cell state of one LSTM step from gates `[B, 4H]` (input, forget, cell, output) before activation. */
export function lstmCell(gates: Tensor, cell: Tensor): { readonly hidden: Tensor; readonly cell: Tensor } {
  const [hidden, next] = emit("lstmCell", [gates, cell], {}) as [Tensor, Tensor];
  return { hidden, cell: next };
}

/** Hidden state of one GRU step from input and hidden gates `[B, 3H]` (reset, update, new) before activation. */
export function gruCell(inputGates: Tensor, hiddenGates: Tensor, hidden: Tensor): Tensor {
  return emitOne("gruCell", [inputGates, hiddenGates, hidden], {});
}

/** A new random key u32[2] from a key and a number that says what it is for. */
export function foldIn(key: Tensor, data: number | Tensor): Tensor {
  return emitOne("foldIn", [key, typeof data === "number" ? constant(data, "u32") : data], {});
}

/** 0 with probability `rate`, else 1/(1 − rate); a pure function of the key. */
export function dropoutMask(key: Tensor, shape: readonly number[], rate: number): Tensor {
  return emitOne("dropoutMask", [key], { shape, rate });
}

/** Copies that are the same numbers but different values, so that each can have a gradient of its own. */
export function separate(tensors: readonly Tensor[]): Tensor[] {
  return tensors.map(barrier);
}
