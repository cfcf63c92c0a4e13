/** @file Composites: named pieces that engines may fuse. What each means is its decomposition in `tensor/`. */
import { isFloat, statisticDtype, type TensorType } from "./dtype.ts";
import type { CompositeName } from "./graph.ts";
import { type OpSpec, refuse, requireCount, requireShape } from "./rule.ts";
import { broadcastShapes, sameShape, sameType, tensorType } from "./shape.ts";

const like = (type: TensorType): TensorType => tensorType(type.dtype, type.shape);
const lastOf = (type: TensorType): number => type.shape[type.shape.length - 1]!;

function requireFloat(op: string, inputs: readonly TensorType[]): void {
  if (!inputs.every((x) => isFloat(x.dtype) && x.dtype === inputs[0]!.dtype)) {
    refuse(op, "operands must share a float dtype", inputs);
  }
}

function requireSame(op: string, a: TensorType, b: TensorType): void {
  if (!sameType(a, b)) refuse(op, "operands must have one type", [a, b]);
}

function attentionShapes(op: string, inputs: readonly TensorType[]): void {
  const [q, k, v] = inputs as [TensorType, TensorType, TensorType];
  const fits =
    q.shape.length === 4 &&
    sameShape(k.shape, v.shape) &&
    k.shape.length === 4 &&
    [0, 2, 3].every((axis) => q.shape[axis] === k.shape[axis]);
  if (!fits) refuse(op, "takes query [B,T,N,D], key [B,S,N,D] and value [B,S,N,D]", [q, k, v]);
  requireFloat(op, [q, k, v]);
}

export const compositeSpecs: { readonly [P in CompositeName]: OpSpec<P> } = {
  linear: {
    doc: "x[…,I] · weight[O,I]ᵀ (+ bias[O]).",
    infer: (inputs, { bias }) => {
      requireCount("linear", inputs, bias ? 3 : 2);
      requireFloat("linear", inputs);
      const [x, weight, offset] = inputs as [TensorType, TensorType, TensorType | undefined];
      if (weight.shape.length !== 2 || x.shape.length < 1 || lastOf(x) !== weight.shape[1]) {
        refuse("linear", "inner dimensions differ: the weight is [out, in]", inputs);
      }
      if (offset !== undefined && !sameShape(offset.shape, [weight.shape[0]!])) {
        refuse("linear", `the bias must be [${weight.shape[0]}]`, inputs);
      }
      return [tensorType(x.dtype, [...x.shape.slice(0, -1), weight.shape[0]!])];
    },
  },
  quantizedLinear: {
    doc: "q(x)[…,I] · weight i8[I,O] · scale[O] (+ bias[O]); q rounds x to 256 steps between its least and largest element (0 included). The product is of whole numbers.",
    infer: (inputs, { bias }) => {
      requireCount("quantizedLinear", inputs, bias ? 4 : 3);
      const [x, weight, ...floats] = inputs as [TensorType, TensorType, ...TensorType[]];
      requireFloat("quantizedLinear", [x, ...floats]);
      if (weight.dtype !== "i8" || weight.shape.length !== 2 || lastOf(x) !== weight.shape[0]) {
        refuse("quantizedLinear", "inner dimensions differ, or the weight is not i8 [in, out]", inputs);
      }
      const columns = weight.shape[1]!;
      if (!floats.every(({ shape }) => sameShape(shape, [columns]))) {
        refuse("quantizedLinear", `scale and bias must be [${columns}]`, inputs);
      }
      return [tensorType(x.dtype, [...x.shape.slice(0, -1), columns])];
    },
  },
  layerNorm: {
    doc: "(x − mean)·rstd·gain + bias over the last axis; also gives mean and rstd = 1/√(variance + epsilon), in f32 for 16-bit x.",
    infer: (inputs, { epsilon }) => {
      requireCount("layerNorm", inputs, 3);
      const [x, gain, bias] = inputs as [TensorType, TensorType, TensorType];
      requireFloat("layerNorm", inputs);
      if (!(epsilon > 0)) refuse("layerNorm", `epsilon must be above 0; got ${epsilon}`, inputs);
      if (!sameShape(gain.shape, [lastOf(x)]) || !sameShape(bias.shape, gain.shape)) {
        refuse("layerNorm", "gain and bias must have the size of the last axis", inputs);
      }
      const statistic = tensorType(statisticDtype(x.dtype), x.shape.slice(0, -1));
      return [like(x), statistic, statistic];
    },
  },
  layerNormGrad: {
    doc: "(x, gain, mean, rstd, dy) → (dx, dGain, dBias).",
    infer: (inputs) => {
      requireCount("layerNormGrad", inputs, 5);
      const [x, gain, , , dy] = inputs as [TensorType, TensorType, TensorType, TensorType, TensorType];
      requireSame("layerNormGrad", x, dy);
      return [like(x), like(gain), like(gain)];
    },
  },
  softmax: {
    doc: "eˣ / Σ eˣ over the last axis.",
    infer: (inputs) => {
      requireCount("softmax", inputs, 1);
      requireFloat("softmax", inputs);
      return [like(inputs[0]!)];
    },
  },
  softmaxGrad: {
    doc: "(y, dy) → dx, with y the softmax itself.",
    infer: (inputs) => {
      requireCount("softmaxGrad", inputs, 2);
      requireSame("softmaxGrad", inputs[0]!, inputs[1]!);
      return [like(inputs[0]!)];
    },
  },
  gelu: {
    doc: "x·Φ(x), exact (erf) or by the tanh approximation.",
    infer: (inputs) => {
      requireCount("gelu", inputs, 1);
      requireFloat("gelu", inputs);
      return [like(inputs[0]!)];
    },
  },
  geluGrad: {
    doc: "(x, dy) → dx.",
    infer: (inputs) => {
      requireCount("geluGrad", inputs, 2);
      requireSame("geluGrad", inputs[0]!, inputs[1]!);
      return [like(inputs[0]!)];
    },
  },
  attention: {
    doc: "softmax(scale·q·kᵀ + bias)·(dropout mask)·v for q [B,T,N,D], k and v [B,S,N,D]; also gives the probabilities [B,N,T,S] before dropout. Operands: q, k, v, (bias, broadcast to [B,N,T,S]), (mask [B,N,T,S]). Scores and their softmax are f32 where q is 16-bit, and so is the bias.",
    infer: (inputs, { bias, mask }) => {
      requireCount("attention", inputs, 3 + Number(bias) + Number(mask));
      attentionShapes("attention", inputs);
      const [q, k] = inputs as [TensorType, TensorType];
      const [batch, length, heads] = q.shape as [number, number, number];
      const scores = [batch, heads, length, k.shape[1]!];
      if (bias) {
        const given = inputs[3]!;
        const result = broadcastShapes(given.shape, scores);
        if (given.shape.length !== 4 || result === undefined || !sameShape(result, scores)) {
          refuse("attention", `the bias must broadcast to [${scores}]`, inputs);
        }
        const wanted = statisticDtype(q.dtype);
        if (given.dtype !== wanted) refuse("attention", `the bias must be ${wanted} for ${q.dtype} queries`, inputs);
      }
      if (mask && !sameShape(inputs[inputs.length - 1]!.shape, scores)) {
        refuse("attention", `the dropout mask must be [${scores}]`, inputs);
      }
      return [like(q), tensorType(q.dtype, scores)];
    },
  },
  attentionGrad: {
    doc: "(q, k, v, probabilities, dOut, (mask)) → (dq, dk, dv, (dBias of the shape asked for)).",
    infer: (inputs, { mask, biasShape }) => {
      requireCount("attentionGrad", inputs, 5 + Number(mask));
      attentionShapes("attentionGrad", inputs);
      const [q, k, v, , dOut] = inputs as [TensorType, TensorType, TensorType, TensorType, TensorType];
      requireSame("attentionGrad", q, dOut);
      return [
        like(q),
        like(k),
        like(v),
        ...(biasShape === null ? [] : [tensorType(statisticDtype(q.dtype), biasShape)]),
      ];
    },
  },
  crossEntropy: {
    doc: "For logits [M,V] and labels i32 [M]: −log softmax at the label in nats [M], 0 where the label is −100; also gives log Σ eˡᵒᵍⁱᵗ [M]; both f32 for 16-bit logits.",
    infer: (inputs) => {
      requireCount("crossEntropy", inputs, 2);
      const [logits, labels] = inputs as [TensorType, TensorType];
      if (logits.shape.length !== 2 || labels.dtype !== "i32" || !sameShape(labels.shape, [logits.shape[0]!])) {
        refuse("crossEntropy", "takes logits [M,V] and labels i32 [M]", inputs);
      }
      requireFloat("crossEntropy", [logits]);
      const row = tensorType(statisticDtype(logits.dtype), labels.shape);
      return [row, row];
    },
  },
  crossEntropyGrad: {
    doc: "(logits, labels, logSumExp, dLoss [M]) → dLogits.",
    infer: (inputs) => {
      requireCount("crossEntropyGrad", inputs, 4);
      return [like(inputs[0]!)];
    },
  },
  embedding: {
    doc: "Rows of table[V,H] at ids (i32).",
    infer: (inputs) => {
      requireCount("embedding", inputs, 2);
      const [table, ids] = inputs as [TensorType, TensorType];
      if (table.shape.length !== 2 || ids.dtype !== "i32")
        refuse("embedding", "takes a table [V,H] and i32 ids", inputs);
      return [tensorType(table.dtype, [...ids.shape, table.shape[1]!])];
    },
  },
  embeddingGrad: {
    doc: "(ids, dOut) → the gradient of a table of the given number of rows; repeated ids add up.",
    infer: (inputs, { rows }) => {
      requireCount("embeddingGrad", inputs, 2);
      const [ids, dOut] = inputs as [TensorType, TensorType];
      if (!sameShape(dOut.shape.slice(0, -1), ids.shape))
        refuse("embeddingGrad", "ids and rows differ in shape", inputs);
      return [tensorType(dOut.dtype, [rows, lastOf(dOut)])];
    },
  },
  foldIn: {
    doc: "A new key u32[2] from a key and a u32 scalar: (mix32(k₀ + mix32(d + 0x9e3779b9)), mix32(k₁ ^ mix32(d ^ 0x85ebca6b))).",
    infer: (inputs) => {
      requireCount("foldIn", inputs, 2);
      const [key, data] = inputs as [TensorType, TensorType];
      if (!sameType(key, tensorType("u32", [2])) || !sameType(data, tensorType("u32", []))) {
        refuse("foldIn", "takes a key u32[2] and a u32 scalar", inputs);
      }
      return [like(key)];
    },
  },
  dropoutMask: {
    doc: "f32 mask from a key: 0 where randomBits < ⌊rate·2³²⌋, else 1/(1 − rate).",
    infer: (inputs, { shape, rate }) => {
      requireCount("dropoutMask", inputs, 1);
      requireShape("dropoutMask", shape);
      if (!sameType(inputs[0]!, tensorType("u32", [2]))) refuse("dropoutMask", "the key must be u32[2]", inputs);
      if (!(rate >= 0 && rate < 1)) refuse("dropoutMask", `the rate must lie in [0, 1); got ${rate}`, inputs);
      return [tensorType("f32", shape)];
    },
  },
  lstmCell: {
    doc: "Gates [B,4H] (before activation, order input, forget, cell, output) and cell [B,H] → hidden, cell.",
    infer: (inputs) => {
      requireCount("lstmCell", inputs, 2);
      const [gates, cell] = inputs as [TensorType, TensorType];
      if (cell.shape.length !== 2 || !sameShape(gates.shape, [cell.shape[0]!, 4 * cell.shape[1]!])) {
        refuse("lstmCell", "takes gates [B,4H] and cell [B,H]", inputs);
      }
      return [like(cell), like(cell)];
    },
  },
  lstmCellGrad: {
    doc: "(gates, cell, new cell, dHidden, dNewCell) → (dGates, dCell).",
    infer: (inputs) => {
      requireCount("lstmCellGrad", inputs, 5);
      return [like(inputs[0]!), like(inputs[1]!)];
    },
  },
  gruCell: {
    doc: "Input gates [B,3H] and hidden gates [B,3H] (order reset, update, new) and hidden [B,H] → hidden.",
    infer: (inputs) => {
      requireCount("gruCell", inputs, 3);
      const [x, h, hidden] = inputs as [TensorType, TensorType, TensorType];
      const gates = [hidden.shape[0]!, 3 * hidden.shape[1]!];
      if (!sameShape(x.shape, gates) || !sameShape(h.shape, gates)) {
        refuse("gruCell", "takes gates [B,3H] twice and hidden [B,H]", inputs);
      }
      return [like(hidden)];
    },
  },
  gruCellGrad: {
    doc: "(input gates, hidden gates, hidden, dNewHidden) → (dInputGates, dHiddenGates, dHidden).",
    infer: (inputs) => {
      requireCount("gruCellGrad", inputs, 4);
      return inputs.slice(0, 3).map(like);
    },
  },
  call: {
    doc: "A traced sub-graph, recomputed in the backward pass or with a gradient of its own.",
    infer: (inputs, { body }) => {
      requireCount("call", inputs, body.inputs.length);
      body.inputs.forEach(({ value }, i) => {
        requireSame("call", value, inputs[i]!);
      });
      return body.outputs.map(({ value }) => like(value));
    },
  },
};
