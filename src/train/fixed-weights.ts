/** @file A model's weights in an engine for prediction: they never change. */
import type { Backend, Buffer, FixedInputs } from "../backend/backend.ts";
import { type ConfigIssue, internalError } from "../base/errors.ts";
import { encodeBfloat16 } from "../base/half-float.ts";
import { type ComputeDType, dtypeBytes, type HostData, type TensorType } from "../ir/dtype.ts";
import { tensorType } from "../ir/shape.ts";
import { type Module, namedParameters, type Parameter } from "../nn/module.ts";
import { quantizableWeights, quantizeWeight } from "../nn/quantization.ts";
import type { Weights } from "../nn/weights.ts";
import type { CompositeNode } from "../tensor/decompose/decompose.ts";
import { quantizedLinear } from "../tensor/fused.ts";
import { trace } from "../tensor/trace.ts";
import { parameterTypes } from "./forward-graph.ts";

/** How precisely a model predicts: `int8` rounds the weights of its linear layers, and what they are multiplied with. */
export type Quantize = "none" | "int8";

/** What stands against predicting so: int8 has sums of its own, and everything else beside it in f32. */
export function quantizeIssues(quantize: Quantize, dtype: string): ConfigIssue[] {
  if (quantize === "none" || dtype === "f32") return [];
  const message = `must be "none" where the model computes in ${dtype}; got "${quantize}". Leave out one of the two.`;
  return [{ path: "quantize", message, code: "CONFIG_AMBIGUOUS" }];
}

/** What a user should know who asked for 8 bits of an engine that has no kernels for them. */
export function quantizeNotice(backend: Backend, quantize: Quantize): string | undefined {
  if (quantize === "none") return undefined;
  const types = { x: tensorType("f32", [1, 4]), levels: tensorType("i8", [4, 4]), scale: tensorType("f32", [4]) };
  const graph = trace("int8", types, ({ x, levels, scale }) => ({ y: quantizedLinear(x, levels, scale) }));
  const isWhole = graph.nodes.every((node) => backend.fuses(node as CompositeNode));
  if (isWhole) return undefined;
  return `quantize: the engine ${backend.name} has no kernels for int8; linear layers are rounded to 8 bits and computed in f32, which is slower than without. Use the engine onnx, or quantize: none.`;
}

/** Where a program that only predicts finds its parameters. */
export interface ParameterSource {
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Weights of linear layers that are in 8 bits. */
  readonly quantized?: ReadonlySet<string>;
  /** What the other weights lie in; f32 unless said otherwise. */
  readonly dtype?: ComputeDType;
  buffer(section: string, name: string): Buffer;
  /** For work over so many places: the parameters as inputs that never change, where that makes it faster. */
  fixedFor?(numPlaces: number): FixedInputs | undefined;
}

/** Parameters in an engine, linear layers in 8 bits if asked for. */
export class FixedWeights implements ParameterSource {
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly quantized: ReadonlySet<string>;
  readonly dtype: ComputeDType;
  private readonly backend: Backend;
  private readonly buffers = new Map<string, Buffer>();
  private fixed: FixedInputs | undefined;
  private isFixed = false;

  /**
   * @param dtype what weights lie in: where a program computes in bf16 the numbers are the same, and half as much is read
   */
  constructor(
    backend: Backend,
    model: Module,
    weights: Weights,
    quantize: Quantize = "none",
    dtype: ComputeDType = "f32",
  ) {
    this.backend = backend;
    this.dtype = dtype;
    this.parameters = namedParameters(model);
    const chosen = quantize === "int8" ? quantizableWeights(model) : new Set<Parameter>();
    this.quantized = new Set(
      [...this.parameters].flatMap(([name, parameter]) => (chosen.has(parameter) ? [name] : [])),
    );
    try {
      for (const [name, { shape }] of this.parameters) this.putParameter(name, shape, weights.get(name));
    } catch (cause) {
      this.dispose();
      throw cause;
    }
  }

  private putParameter(name: string, shape: readonly number[], data: Float32Array | undefined): void {
    if (data === undefined) throw internalError(`no numbers for parameter "${name}"`);
    const isQuantized = this.quantized.has(name);
    const { levels, scale } = isQuantized ? quantizeWeight(data, shape[0]!) : { levels: data, scale: undefined };
    const [own, beside] = parameterTypes(name, shape, isQuantized, this.dtype) as [
      [string, TensorType],
      [string, TensorType]?,
    ];
    this.put(own, levels);
    if (beside !== undefined) this.put(beside, scale!);
  }

  private put([name, type]: [string, TensorType], data: HostData): void {
    const buffer = this.backend.allocate(type);
    this.buffers.set(name, buffer);
    buffer.write(type.dtype === "bf16" ? Uint16Array.from(data, encodeBfloat16) : data);
  }

  /** Bytes of all weights as they lie in the engine, copies for its kernels not counted. */
  get bytes(): number {
    const size = ({ dtype, shape }: Buffer): number => shape.reduce((product, dim) => product * dim, dtypeBytes[dtype]);
    return [...this.buffers.values()].reduce((sum, buffer) => sum + size(buffer), 0);
  }

  buffer(_section: string, name: string): Buffer {
    const buffer = this.buffers.get(name);
    if (buffer === undefined) throw internalError(`the model has no parameter "${name}"`);
    return buffer;
  }

  fixedFor(numPlaces: number): FixedInputs | undefined {
    if (!this.isFixed) {
      const named = [...this.buffers].map(([name, buffer]) => [`parameter.${name}`, buffer] as const);
      this.fixed = this.backend.fix?.(new Map(named));
      this.isFixed = true;
    }
    const isWorthIt = this.quantized.size > 0 || numPlaces <= (this.fixed?.maxPlaces ?? 0);
    return isWorthIt ? this.fixed : undefined;
  }

  /** Programs that use the weights must be disposed before. */
  dispose(): void {
    this.fixed?.dispose();
    for (const buffer of this.buffers.values()) buffer.dispose();
    this.buffers.clear();
  }
}
