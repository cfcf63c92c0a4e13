import { type Shape, sameShape, sizeOf } from "../../../ir/shape.ts";
import { ELEMENT_TYPES, type OnnxElementType } from "../proto/element-type.ts";
import type { OnnxAttribute, OnnxGraph, OnnxNode, OnnxTensor } from "../proto/model.ts";

/** A value of the ONNX graph under construction, with its static type. */
export interface Ref {
  readonly name: string;
  readonly dtype: OnnxElementType;
  readonly shape: Shape;
}

export interface RefType {
  readonly dtype: OnnxElementType;
  readonly shape: Shape;
}

export type Attributes = Readonly<Record<string, OnnxAttribute>>;

/** ONNX Runtime's own operators. */
export const MICROSOFT = "com.microsoft";

/** What all nested graphs of one model share: names, constants, and where reshaped values come from. */
interface Shared {
  counter: number;
  readonly initializers: Record<string, OnnxTensor>;
  readonly constants: Map<string, Ref>;
  /** The value that a reshape only views. */
  readonly viewed: Map<string, Ref>;
}

/** Operators whose equal calls are made once: cheap movement that several lowerings ask for. */
const SHARED_OPERATORS = new Set(["Reshape", "Transpose", "Cast", "Expand", "Softmax"]);

const ARRAY_OF = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  u32: Uint32Array,
  i64: BigInt64Array,
} as const;

/** Collects ONNX nodes with known types; nodes that nothing needs are left out at the end. */
export class Emitter {
  readonly nodes: OnnxNode[] = [];
  private readonly shared: Shared;
  private readonly made = new Map<string, readonly Ref[]>();
  /** Name given to the nodes that follow, for error messages and profiles. */
  label = "";

  /** Whether this is the graph of a loop's body. */
  readonly isNested: boolean;
  private readonly types = new Map<string, Ref>();

  /** @param parent the emitter of the enclosing graph, whose values a nested graph may use by name */
  constructor(parent?: Emitter) {
    this.isNested = parent !== undefined;
    this.shared = parent?.shared ?? { counter: 0, initializers: {}, constants: new Map(), viewed: new Map() };
  }

  get initializers(): Readonly<Record<string, OnnxTensor>> {
    return this.shared.initializers;
  }

  freshName(hint: string): string {
    return `${hint}_${this.shared.counter++}`;
  }

  /** Adds one operator call with the given result types. */
  multi(
    opType: string,
    inputs: readonly (Ref | undefined)[],
    results: readonly RefType[],
    attributes: Attributes = {},
    domain?: string,
  ): Ref[] {
    const names = inputs.map((input) => input?.name ?? "");
    const key = SHARED_OPERATORS.has(opType) ? JSON.stringify([opType, names, attributes]) : undefined;
    const known = key === undefined ? undefined : this.made.get(key);
    if (known !== undefined) return [...known];
    const refs = results.map(({ dtype, shape }) => ({ name: this.freshName(opType), dtype, shape }));
    for (const ref of refs) this.types.set(ref.name, ref);
    this.nodes.push({
      opType,
      name: `${this.label}/${refs[0]?.name ?? opType}`,
      inputs: names,
      outputs: refs.map(({ name }) => name),
      attributes,
      ...(domain === undefined ? {} : { domain }),
    });
    if (key !== undefined) this.made.set(key, refs);
    return refs;
  }

  /** A result of this graph by its name. */
  typeOf(name: string): Ref {
    return this.types.get(name)!;
  }

  /** Every result of this graph, by its name. */
  get results(): ReadonlyMap<string, Ref> {
    return this.types;
  }

  /** Adds one operator call with one result. */
  op(
    opType: string,
    inputs: readonly (Ref | undefined)[],
    result: RefType,
    attributes: Attributes = {},
    domain?: string,
  ): Ref {
    return this.multi(opType, inputs, [result], attributes, domain)[0]!;
  }

  /** A tensor known now; equal small ones are kept once. */
  constant(dtype: OnnxElementType, shape: Shape, data: ArrayBufferView): Ref {
    const small = data.byteLength <= 4096;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = small ? `${dtype}[${shape}]${String.fromCharCode(...bytes)}` : undefined;
    const known = key === undefined ? undefined : this.shared.constants.get(key);
    if (known !== undefined) return known;
    const ref: Ref = { name: this.freshName("constant"), dtype, shape };
    this.shared.initializers[ref.name] = { dtype, shape, data };
    if (key !== undefined) this.shared.constants.set(key, ref);
    return ref;
  }

  /** A vector of 64-bit integers, as ONNX wants shapes and axes. */
  ints(values: readonly number[]): Ref {
    return this.constant("i64", [values.length], BigInt64Array.from(values.map(BigInt)));
  }

  /** One number, of shape [] or [1, 1, …]. */
  scalar(dtype: keyof typeof ARRAY_OF, value: number): Ref {
    return this.filled(dtype, [], value);
  }

  /** A small tensor of one value. */
  filled(dtype: keyof typeof ARRAY_OF, shape: Shape, value: number): Ref {
    const size = sizeOf(shape);
    const data = dtype === "i64" ? new BigInt64Array(size).fill(BigInt(value)) : new ARRAY_OF[dtype](size).fill(value);
    return this.constant(dtype, shape, data);
  }

  /** The same elements under another shape; reshapes of reshapes collapse. */
  reshape(x: Ref, shape: Shape): Ref {
    if (sameShape(x.shape, shape)) return x;
    const base = this.shared.viewed.get(x.name) ?? x;
    if (sameShape(base.shape, shape)) return base;
    const result = this.op("Reshape", [base, this.ints(shape)], { dtype: x.dtype, shape }, { allowzero: { int: 1 } });
    this.shared.viewed.set(result.name, base);
    return result;
  }

  /** The value whose elements a reshape shows, or the value itself. */
  viewedBy(x: Ref): Ref {
    return this.shared.viewed.get(x.name) ?? x;
  }

  transpose(x: Ref, permutation: readonly number[]): Ref {
    if (permutation.every((axis, i) => axis === i)) return x;
    const shape = permutation.map((axis) => x.shape[axis]!);
    const moved = permutation.filter((axis) => x.shape[axis] !== 1);
    if (moved.every((axis, i) => i === 0 || axis > moved[i - 1]!)) return this.reshape(x, shape);
    return this.op("Transpose", [x], { dtype: x.dtype, shape }, { perm: { ints: permutation } });
  }

  cast(x: Ref, dtype: OnnxElementType): Ref {
    if (x.dtype === dtype) return x;
    return this.op("Cast", [x], { dtype, shape: x.shape }, { to: { int: ELEMENT_TYPES[dtype].code } });
  }

  expand(x: Ref, shape: Shape): Ref {
    if (sameShape(x.shape, shape)) return x;
    return this.op("Expand", [x, this.ints(shape)], { dtype: x.dtype, shape });
  }

  /** Elementwise over one operand, keeping its type. */
  unary(opType: string, x: Ref, attributes: Attributes = {}): Ref {
    return this.op(opType, [x], x, attributes);
  }

  /** Elementwise over two operands that broadcast to the given shape. */
  binary(opType: string, a: Ref, b: Ref, shape: Shape, dtype: OnnxElementType = a.dtype): Ref {
    return this.op(opType, [a, b], { dtype, shape });
  }

  /** x · factor. */
  scale(x: Ref, factor: number): Ref {
    return factor === 1 ? x : this.binary("Mul", x, this.scalar(x.dtype === "f64" ? "f64" : "f32", factor), x.shape);
  }

  /** The nodes that the named values need, in order. */
  needed(results: readonly string[]): OnnxNode[] {
    const wanted = new Set(results);
    const kept: OnnxNode[] = [];
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i]!;
      if (!node.outputs.some((name) => wanted.has(name))) continue;
      for (const name of usedNames(node)) wanted.add(name);
      kept.push(node);
    }
    return kept.reverse();
  }
}

/** Every name that a node reads, those inside its nested graphs included. */
export function usedNames(node: OnnxNode): string[] {
  const nested = Object.values(node.attributes ?? {}).flatMap((attribute) =>
    "graph" in attribute ? namesInGraph(attribute.graph) : [],
  );
  return [...node.inputs, ...nested];
}

function namesInGraph(graph: OnnxGraph): string[] {
  return [...graph.nodes.flatMap(usedNames), ...graph.outputs.map(({ name }) => name)];
}
