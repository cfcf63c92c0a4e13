/** @file Nodes written by hand: sizes computed from the shapes of inputs, and what surrounds a lowered graph. */
import type { Attributes } from "../backend/onnx/lower/emitter.ts";
import type { OnnxElementType } from "../backend/onnx/proto/element-type.ts";
import { ELEMENT_TYPES } from "../backend/onnx/proto/element-type.ts";
import type { OnnxNode, OnnxTensor } from "../backend/onnx/proto/model.ts";
import type { Dimensions, Expression } from "./dimension.ts";

/** Where a dimension's size can be read at run time. */
export interface DimensionSource {
  readonly input: string;
  readonly axis: number;
}

/** Collects nodes and constants under names that begin with a prefix of their own. */
export class NodeBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: Record<string, OnnxTensor> = {};
  private readonly prefix: string;
  private readonly known = new Map<string, string>();
  private counter = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  freshName(hint: string): string {
    return `${this.prefix}${hint}_${this.counter++}`;
  }

  /** Adds one operator call and gives its result's name. */
  op(opType: string, inputs: readonly string[], attributes: Attributes = {}, result = this.freshName(opType)): string {
    this.nodes.push({ opType, inputs, outputs: [result], attributes, name: `${result}/${opType}` });
    return result;
  }

  constant(dtype: OnnxElementType, shape: readonly number[], data: ArrayBufferView): string {
    const name = this.freshName("constant");
    this.initializers[name] = { dtype, shape, data };
    return name;
  }

  /** A vector of 64-bit integers; equal ones are kept once. */
  ints(values: readonly number[]): string {
    return this.once(`ints ${values}`, () =>
      this.constant("i64", [values.length], BigInt64Array.from(values.map(BigInt))),
    );
  }

  /** A number of a type, without axes. */
  number(dtype: "i32" | "f32", value: number): string {
    const data = dtype === "i32" ? Int32Array.of(value) : Float32Array.of(value);
    return this.once(`${dtype} ${value}`, () => this.constant(dtype, [], data));
  }

  cast(name: string, dtype: OnnxElementType, result?: string): string {
    return this.op("Cast", [name], { to: { int: ELEMENT_TYPES[dtype].code } }, result);
  }

  /** What `make` made when it was first asked for under this key. */
  once(key: string, make: () => string): string {
    const name = this.known.get(key) ?? make();
    this.known.set(key, name);
    return name;
  }
}

/** Sizes of open dimensions as vectors of one 64-bit integer, read from the shapes of a graph's inputs. */
export class SizeNodes {
  private readonly builder: NodeBuilder;
  private readonly dimensions: Dimensions;
  private readonly sources: ReadonlyMap<string, DimensionSource>;

  constructor(builder: NodeBuilder, dimensions: Dimensions, sources: ReadonlyMap<string, DimensionSource>) {
    this.builder = builder;
    this.dimensions = dimensions;
    this.sources = sources;
  }

  /** i64 `[1]`. */
  private dimension(name: string): string {
    const source = this.sources.get(name);
    return this.builder.once(`dimension ${name}`, () => {
      if (source !== undefined) {
        const { input, axis } = source;
        return this.builder.op("Shape", [input], { start: { int: axis }, end: { int: axis + 1 } });
      }
      const parts = this.dimensions.sums[name]!.map((part) => this.dimension(part));
      return this.builder.op("Add", parts);
    });
  }

  /** i64 `[1]`. */
  private value({ factor, dimensions, offset }: Expression): string {
    const key = `size ${factor} ${dimensions} ${offset}`;
    return this.builder.once(key, () => {
      const parts = dimensions.map((name) => this.dimension(name));
      if (factor !== 1 || parts.length === 0) parts.push(this.builder.ints([factor]));
      const product = parts.reduce((a, b) => this.builder.op("Mul", [a, b]));
      return offset === 0 ? product : this.builder.op("Add", [product, this.builder.ints([offset])]);
    });
  }

  /** i64 `[n]`. */
  vector(sizes: readonly Expression[]): string {
    return this.builder.once(`sizes ${JSON.stringify(sizes)}`, () => {
      const parts: string[] = [];
      let fixed: number[] = [];
      const close = (): void => {
        if (fixed.length > 0) parts.push(this.builder.ints(fixed));
        fixed = [];
      };
      for (const size of sizes) {
        if (size.dimensions.length === 0) {
          fixed.push(size.factor);
          continue;
        }
        close();
        parts.push(this.value(size));
      }
      close();
      return parts.length === 1 ? parts[0]! : this.builder.op("Concat", parts, { axis: { int: 0 } });
    });
  }

  /** A number of a type, of shape `[]` or `[1]`. */
  number(size: Expression, dtype: OnnxElementType, rank: 0 | 1): string {
    return this.builder.once(`number ${JSON.stringify(size)} ${dtype} ${rank}`, () => {
      const vector = this.value(size);
      const shaped = rank === 1 ? vector : this.builder.op("Squeeze", [vector, this.builder.ints([0])]);
      return dtype === "i64" ? shaped : this.builder.cast(shaped, dtype);
    });
  }
}
