import { sizeOf } from "../../../ir/shape.ts";
import type { Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { matrixProduct } from "./product.ts";
import { columnSums, reduce } from "./reduction.ts";

function normalize(emitter: Emitter, x: Ref, gain: Ref, bias: Ref | undefined, epsilon: number): Ref[] {
  const statistic = { dtype: x.dtype, shape: x.shape.with(-1, 1) };
  const inputs = bias === undefined ? [x, gain] : [x, gain, bias];
  const results = bias === undefined ? [x] : [x, statistic, statistic];
  return emitter.multi("LayerNormalization", inputs, results, { axis: { int: -1 }, epsilon: { float: epsilon } });
}

export const layerNorm: Rule<"layerNorm"> = (context, { inputs, outputs, params: { epsilon } }) => {
  const { emitter } = context;
  const [x, gain, bias] = inputs.map((value) => context.ref(value)) as [Ref, Ref, Ref];
  const [y, mean, rstd] = normalize(emitter, x, gain, bias, epsilon) as [Ref, Ref, Ref];
  const { shape } = outputs[1]!;
  return [y, emitter.reshape(mean, shape), emitter.reshape(rstd, shape)];
};

/**
 * With x̂ the normalised input and g = dy·gain: dx = rstd·(g − mean(g) − x̂·mean(g·x̂)), dGain = Σ dy·x̂, dBias = Σ dy.
 * Sums over rows and columns are matrix products.
 */
export const layerNormGrad: Rule<"layerNormGrad"> = (context, { inputs }) => {
  const { emitter } = context;
  const [x, gain, mean, rstd, dy] = inputs.map((value) => context.ref(value)) as [Ref, Ref, Ref, Ref, Ref];
  const size = x.shape.at(-1)!;
  const matrix = [sizeOf(x.shape) / size, size] as const;
  const column = [matrix[0], 1] as const;
  const [rows, dRows] = [x, dy].map((ref) => emitter.reshape(ref, matrix)) as [Ref, Ref];
  const [center, spread] = [mean, rstd].map((ref) => emitter.reshape(ref, column)) as [Ref, Ref];
  const centered = emitter.binary("Sub", rows, center, matrix);
  const normal = emitter.binary("Mul", centered, spread, matrix);
  const product = emitter.binary("Mul", dRows, normal, matrix);
  const weights = emitter.reshape(emitter.scale(gain, 1 / size), [size, 1]);
  const meanG = matrixProduct(emitter, dRows, weights);
  const meanGx = matrixProduct(emitter, product, weights);
  const scaled = emitter.binary("Mul", dRows, emitter.reshape(gain, [1, size]), matrix);
  const along = emitter.binary("Sub", scaled, emitter.binary("Mul", normal, meanGx, matrix), matrix);
  const dx = emitter.binary("Mul", emitter.binary("Sub", along, meanG, matrix), spread, matrix);
  return [emitter.reshape(dx, x.shape), columnSums(emitter, product), columnSums(emitter, dRows)];
};

export const softmax: Rule<"softmax"> = (context, { inputs }) => {
  const x = context.ref(inputs[0]!);
  return [context.emitter.unary("Softmax", x, { axis: { int: -1 } })];
};

/** dx = y·(dy − Σ y·dy). */
export const softmaxGrad: Rule<"softmaxGrad"> = (context, { inputs }) => {
  const { emitter } = context;
  const [y, dy] = inputs.map((value) => context.ref(value)) as [Ref, Ref];
  const sum = reduce(emitter, "ReduceSum", emitter.binary("Mul", y, dy, y.shape), [y.shape.length - 1], true);
  return [emitter.binary("Mul", y, emitter.binary("Sub", dy, sum, y.shape), y.shape)];
};
