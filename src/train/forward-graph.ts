/** @file A model's forward computation over a batch, as a graph. */
import { internalError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import type { ComputeDType, TensorType } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { tensorType } from "../ir/shape.ts";
import type { ForwardContext, Parameter } from "../nn/module.ts";
import { checkpoint } from "../tensor/call.ts";
import { convert, stopGradient } from "../tensor/elementwise.ts";
import { KeySequence } from "../tensor/random.ts";
import { type Tensors, trace } from "../tensor/trace.ts";

/** In which dtype a step computes; parameters, optimizer state, loss and statistics stay f32. */
export interface DTypePolicy {
  readonly compute: ComputeDType;
}

type Parameters = ReadonlyMap<string, Parameter>;

const none: ReadonlySet<string> = new Set();

/**
 * How a parameter enters a graph: as it is, or in 8 bits with a scale of its own beside it.
 * @param dtype in which those lie that are as they are
 */
export function parameterTypes(
  name: string,
  shape: readonly number[],
  isQuantized: boolean,
  dtype: ComputeDType = "f32",
): [string, TensorType][] {
  if (!isQuantized) return [[name, tensorType(dtype, shape)]];
  const [outputs, inputs] = shape as [number, number];
  return [
    [name, tensorType("i8", [inputs, outputs])],
    [`${name}.scale`, tensorType("f32", [outputs])],
  ];
}

/** Types of the inputs `parameter.<name>` and `batch.<name>`; quantized weights have `parameter.<name>.scale` too. */
export function inputTypes(
  parameters: Parameters,
  batch: Batch,
  quantized: ReadonlySet<string> = none,
  dtype: ComputeDType = "f32",
): Record<string, TensorType> {
  const own = [...parameters].flatMap(([name, { shape }]) => parameterTypes(name, shape, quantized.has(name), dtype));
  return {
    ...Object.fromEntries(own.map(([name, type]) => [`parameter.${name}`, type])),
    ...Object.fromEntries(
      Object.entries(batch.tensors).map(([name, { dtype, shape }]) => [`batch.${name}`, tensorType(dtype, shape)]),
    ),
  };
}

/** The batch's tensors among a graph's inputs, under their own names. */
export function batchSymbols(symbols: Tensors, batch: Batch): Tensors {
  return Object.fromEntries(Object.keys(batch.tensors).map((name) => [name, symbols[`batch.${name}`]!]));
}

export interface ForwardOptions {
  /** Receives the names of the parameters that modules ask for. */
  readonly used?: Set<string>;
  /** Layers keep their operand only; the backward pass computes what is inside them again. */
  readonly recomputeLayers?: boolean | undefined;
  /** Weights of linear layers that come in 8 bits. */
  readonly quantized?: ReadonlySet<string> | undefined;
}

/** How modules reach their parameters while a graph is traced; with a `randomKey` input it is a training graph. */
export function forwardContext(
  symbols: Tensors,
  parameters: Parameters,
  policy: DTypePolicy,
  { used, recomputeLayers = false, quantized = none }: ForwardOptions = {},
): ForwardContext {
  const names = new Map([...parameters].map(([name, parameter]) => [parameter, name]));
  const keys = symbols.randomKey === undefined ? undefined : new KeySequence(symbols.randomKey);
  const nameOf = (parameter: Parameter): string => {
    const name = names.get(parameter);
    if (name === undefined) throw internalError("a module asks for a parameter that its model does not list");
    return name;
  };
  const still: ForwardContext = {
    training: false,
    parameter: (parameter) => convert(stopGradient(symbols[`parameter.${nameOf(parameter)}`]!), policy.compute),
    randomKey: () => {
      throw internalError("randomness is used outside training");
    },
    layer: (run, x) => run(x),
  };
  return {
    training: keys !== undefined,
    parameter: (parameter) => {
      const name = nameOf(parameter);
      used?.add(name);
      return convert(symbols[`parameter.${name}`]!, policy.compute);
    },
    quantized: (weight) => {
      const name = names.get(weight);
      if (name === undefined || !quantized.has(name)) return undefined;
      return { levels: symbols[`parameter.${name}`]!, scale: symbols[`parameter.${name}.scale`]! };
    },
    randomKey: () => {
      if (keys === undefined) throw internalError("randomness is used outside training");
      return keys.next();
    },
    constant: () => still,
    layer: (run, x) => (recomputeLayers ? checkpoint((h) => run(h!), "layer")(x)[0]! : run(x)),
  };
}

/**
 * Traces an evaluation: no dropout, no gradients; outputs in f32 (or as they are, if not float).
 * @param quantized weights of linear layers that come in 8 bits
 * @param dtype what all other parameters come in
 */
export function traceForward(
  parameters: Parameters,
  batch: Batch,
  policy: DTypePolicy,
  run: (context: ForwardContext, batch: Tensors) => Tensors,
  quantized: ReadonlySet<string> = none,
  dtype: ComputeDType = "f32",
): Graph {
  return trace("evaluate", inputTypes(parameters, batch, quantized, dtype), (symbols: Tensors) => {
    const context = forwardContext(symbols, parameters, policy, { quantized });
    const outputs = run(context, batchSymbols(symbols, batch));
    return Object.fromEntries(
      Object.entries(outputs).map(([name, x]) => [name, x.dtype === "bf16" ? convert(x, "f32") : x]),
    );
  });
}
