/**
 * @file Writes StableHLO operations line by line. Result types follow from the operands, which are checked first: what
 * leaves here is well-typed, and a mistake of a rule shows where it is made rather than in the compiler's words.
 */
import { internalError } from "../../../base/errors.ts";
import { type DType, type HostData, isFloat, type TensorType } from "../../../ir/dtype.ts";
import type { CompareDirection } from "../../../ir/graph.ts";
import { formatType, type Shape, sameShape, sameType, sizeOf, tensorType, withoutAxes } from "../../../ir/shape.ts";
import type { FunctionTable } from "./function-table.ts";
import { denseText, scalarText, uniformElement } from "./literal.ts";
import type { NameScope } from "./name-scope.ts";
import { listText, signatureText, typesText, typeText } from "./type-text.ts";

/** A value of the text. */
export interface Ref extends TensorType {
  /** With its sign: `%linear.2`, `%layerNorm.0#1`. */
  readonly name: string;
}

export type UnaryName =
  | "abs"
  | "ceil"
  | "cosine"
  | "exponential"
  | "floor"
  | "log"
  | "logistic"
  | "negate"
  | "not"
  | "round_nearest_even"
  | "rsqrt"
  | "sign"
  | "sine"
  | "sqrt"
  | "tanh";

export type BinaryName =
  | "add"
  | "and"
  | "divide"
  | "maximum"
  | "minimum"
  | "multiply"
  | "or"
  | "power"
  | "shift_left"
  | "shift_right_logical"
  | "subtract"
  | "xor";

export interface DotDimensions {
  readonly lhsBatch?: readonly number[];
  readonly rhsBatch?: readonly number[];
  readonly lhsContract: readonly number[];
  readonly rhsContract: readonly number[];
}

/** What all emitters of one module share. */
export interface ModuleFacts {
  readonly functions: FunctionTable;
  /** Whether products of f32 are asked for in full precision. */
  readonly fullProducts: boolean;
  readonly locations: boolean;
}

export class Emitter {
  readonly module: ModuleFacts;
  readonly names: NameScope;
  readonly lines: string[] = [];
  /** What results are named by; the operation's own name when left out. */
  label: string | undefined;
  /** Where the node stands that is being lowered, as `models/bert/model.ts:88`. */
  source: string | undefined;
  private readonly indent: string;
  /** Operations without operands, fills and conversions are made once in a block. */
  private readonly made = new Map<string, Ref>();

  constructor(module: ModuleFacts, names: NameScope, indent = "    ") {
    this.module = module;
    this.names = names;
    this.indent = indent;
  }

  /** A block inside this one: values of its own, names of the same function. */
  block(): Emitter {
    const inner = new Emitter(this.module, this.names, `${this.indent}  `);
    inner.label = this.label;
    inner.source = this.source;
    return inner;
  }

  /** Writes one operation. */
  emit(base: string, text: string, type: TensorType): Ref {
    const name = `%${this.names.numbered(this.label ?? base)}`;
    this.lines.push(`${this.indent}${name} = ${text}${this.location()}`);
    return { name, dtype: type.dtype, shape: type.shape };
  }

  /** Writes one operation of several results. */
  emitSeveral(base: string, text: string, types: readonly TensorType[]): Ref[] {
    if (types.length === 1) return [this.emit(base, text, types[0]!)];
    const name = `%${this.names.numbered(this.label ?? base)}`;
    this.lines.push(`${this.indent}${name}:${types.length} = ${text}${this.location()}`);
    return types.map(({ dtype, shape }, i) => ({ name: `${name}#${i}`, dtype, shape }));
  }

  /** A block's lines with what it returns at their end, for an operation that has regions. */
  region(block: Emitter, results: readonly Ref[], end: "stablehlo.return" | "sdy.return" = "stablehlo.return"): string {
    const returned = `${block.indent}${end} ${results.map(({ name }) => name).join(", ")} : ${typesText(results)}`;
    return [...block.lines, returned].join("\n");
  }

  get margin(): string {
    return this.indent;
  }

  private location(): string {
    if (!this.module.locations || this.source === undefined) return "";
    const [, file, line] = /^(.*):(\d+)$/.exec(this.source) ?? [];
    const place = file === undefined ? "" : `("${file.replace(/["\\]/g, "_")}":${line}:0)`;
    return ` loc("${this.label ?? "node"}"${place})`;
  }

  private once(key: string, make: () => Ref): Ref {
    const known = this.made.get(key);
    if (known !== undefined) return known;
    const ref = make();
    this.made.set(key, ref);
    return ref;
  }

  private require(holds: boolean, rule: string, ...types: readonly TensorType[]): void {
    if (holds) return;
    const where = this.source === undefined ? "" : ` for ${this.label ?? "a node"} at ${this.source}`;
    throw internalError(`StableHLO${where}: ${rule}; got ${types.map(formatType).join(", ")}`);
  }

  scalar(dtype: DType, value: number): Ref {
    const type = tensorType(dtype, []);
    const text = `stablehlo.constant dense<${scalarText(dtype, value)}> : ${typeText(type)}`;
    return this.once(text, () => this.emit("constant", text, type));
  }

  /** One number everywhere. */
  fill(type: TensorType, value: number): Ref {
    return this.broadcast(this.scalar(type.dtype, value), type.shape, []);
  }

  constant(type: TensorType, data: HostData): Ref {
    const uniform = uniformElement(type, data);
    if (uniform !== undefined) return this.fill(type, uniform);
    const text = `stablehlo.constant dense<${denseText(type, data)}> : ${typeText(type)}`;
    return this.once(text, () => this.emit("constant", text, type));
  }

  iota(dtype: DType, shape: Shape, axis: number): Ref {
    const type = tensorType(dtype, shape);
    const text = `stablehlo.iota dim = ${axis} : ${typeText(type)}`;
    return this.once(text, () => this.emit("iota", text, type));
  }

  unary(op: UnaryName, x: Ref): Ref {
    return this.emit(op, `stablehlo.${op} ${x.name} : ${typeText(x)}`, x);
  }

  binary(op: BinaryName, a: Ref, b: Ref): Ref {
    this.require(sameType(a, b), `${op} takes operands of one type`, a, b);
    return this.emit(op, `stablehlo.${op} ${a.name}, ${b.name} : ${typeText(a)}`, a);
  }

  add(a: Ref, b: Ref | number): Ref {
    return this.binary("add", a, this.beside(a, b));
  }

  subtract(a: Ref, b: Ref | number): Ref {
    return this.binary("subtract", a, this.beside(a, b));
  }

  multiply(a: Ref, b: Ref | number): Ref {
    return this.binary("multiply", a, this.beside(a, b));
  }

  divide(a: Ref, b: Ref | number): Ref {
    return this.binary("divide", a, this.beside(a, b));
  }

  /** The second operand: a number stands for a tensor of it. */
  beside(a: Ref, b: Ref | number): Ref {
    return typeof b === "number" ? this.fill(a, b) : b;
  }

  compare(direction: CompareDirection, a: Ref, b: Ref | number): Ref {
    const right = this.beside(a, b);
    this.require(sameType(a, right), "compare takes operands of one type", a, right);
    const kind = isFloat(a.dtype) ? "FLOAT" : a.dtype === "u32" || a.dtype === "bool" ? "UNSIGNED" : "SIGNED";
    const type = tensorType("bool", a.shape);
    const operands = `${direction.toUpperCase()}, ${a.name}, ${right.name}, ${kind}`;
    return this.emit("compare", `stablehlo.compare ${operands} : ${signatureText([a, right], [type])}`, type);
  }

  select(predicate: Ref, a: Ref, b: Ref | number): Ref {
    const other = this.beside(a, b);
    const fits = predicate.dtype === "bool" && sameShape(predicate.shape, a.shape) && sameType(a, other);
    this.require(fits, "select takes a bool predicate and operands of one type", predicate, a, other);
    const types = `${typeText(predicate)}, ${typeText(a)}`;
    return this.emit("select", `stablehlo.select ${predicate.name}, ${a.name}, ${other.name} : ${types}`, a);
  }

  /** Floats truncate toward zero to integers; non-zero becomes true. */
  convert(x: Ref, dtype: DType): Ref {
    if (x.dtype === dtype) return x;
    if (dtype === "bool") return this.compare("ne", x, 0);
    const type = tensorType(dtype, x.shape);
    const text = `stablehlo.convert ${x.name} : ${signatureText([x], [type])}`;
    return this.once(text, () => this.emit("convert", text, type));
  }

  broadcast(x: Ref, shape: Shape, dims: readonly number[]): Ref {
    if (sameShape(x.shape, shape) && dims.every((dim, i) => dim === i)) return x;
    const type = tensorType(x.dtype, shape);
    const fits = x.shape.length === dims.length && x.shape.every((size, i) => size === 1 || size === shape[dims[i]!]);
    this.require(fits, `broadcast along [${dims}] does not fit`, x, type);
    const text = `stablehlo.broadcast_in_dim ${x.name}, dims = ${listText(dims)} : ${signatureText([x], [type])}`;
    return this.once(text, () => this.emit("broadcast_in_dim", text, type));
  }

  reshape(x: Ref, shape: Shape): Ref {
    if (sameShape(x.shape, shape)) return x;
    const type = tensorType(x.dtype, shape);
    this.require(sizeOf(shape) === sizeOf(x.shape), "reshape keeps the number of elements", x, type);
    return this.emit("reshape", `stablehlo.reshape ${x.name} : ${signatureText([x], [type])}`, type);
  }

  transpose(x: Ref, permutation: readonly number[]): Ref {
    const type = tensorType(
      x.dtype,
      permutation.map((axis) => x.shape[axis]!),
    );
    this.require(permutation.length === x.shape.length, `transpose by [${permutation}] must name every axis`, x);
    const text = `stablehlo.transpose ${x.name}, dims = ${listText(permutation)} : ${signatureText([x], [type])}`;
    return this.emit("transpose", text, type);
  }

  slice(x: Ref, starts: readonly number[], limits: readonly number[], strides = starts.map(() => 1)): Ref {
    const shape = starts.map((start, i) => Math.max(0, Math.ceil((limits[i]! - start) / strides[i]!)));
    const type = tensorType(x.dtype, shape);
    this.require(starts.length === x.shape.length, "slice names every axis", x);
    const ranges = starts.map((start, i) => `${start}:${limits[i]}${strides[i] === 1 ? "" : `:${strides[i]}`}`);
    return this.emit("slice", `stablehlo.slice ${x.name} [${ranges.join(", ")}] : ${signatureText([x], [type])}`, type);
  }

  /** Entries [start, limit) of one axis. */
  sliceAxis(x: Ref, axis: number, start: number, limit: number): Ref {
    const starts = x.shape.map((_, i) => (i === axis ? start : 0));
    const limits = x.shape.map((size, i) => (i === axis ? limit : size));
    return this.slice(x, starts, limits);
  }

  concatenate(parts: readonly Ref[], axis: number): Ref {
    const [first] = parts as [Ref];
    const total = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
    const type = tensorType(
      first.dtype,
      first.shape.map((size, i) => (i === axis ? total : size)),
    );
    const fits = parts.every(
      ({ dtype, shape }) =>
        dtype === first.dtype && sameShape(withoutAxes(shape, [axis]), withoutAxes(first.shape, [axis])),
    );
    this.require(fits, `concatenate along ${axis} takes parts of one dtype and the same other sizes`, ...parts);
    const names = parts.map(({ name }) => name).join(", ");
    return this.emit(
      "concatenate",
      `stablehlo.concatenate ${names}, dim = ${axis} : ${signatureText(parts, [type])}`,
      type,
    );
  }

  /** Sum of products; the result's axes are batch, left free, right free. */
  dot(lhs: Ref, rhs: Ref, dimensions: DotDimensions, dtype: DType = lhs.dtype): Ref {
    const { lhsBatch = [], rhsBatch = [], lhsContract, rhsContract } = dimensions;
    const agree = (a: readonly number[], b: readonly number[]) =>
      a.length === b.length && a.every((axis, i) => lhs.shape[axis] === rhs.shape[b[i]!]);
    const fits = lhs.dtype === rhs.dtype && agree(lhsBatch, rhsBatch) && agree(lhsContract, rhsContract);
    this.require(fits, "dot_general takes operands of one dtype whose axes agree", lhs, rhs);
    const type = tensorType(dtype, [
      ...lhsBatch.map((axis) => lhs.shape[axis]!),
      ...withoutAxes(lhs.shape, [...lhsBatch, ...lhsContract]),
      ...withoutAxes(rhs.shape, [...rhsBatch, ...rhsContract]),
    ]);
    const batch = lhsBatch.length === 0 ? "" : `batching_dims = ${listText(lhsBatch)} x ${listText(rhsBatch)}, `;
    const contract = `contracting_dims = ${listText(lhsContract)} x ${listText(rhsContract)}`;
    const isFull = this.module.fullProducts && (lhs.dtype === "f32" || lhs.dtype === "f64");
    const precision = isFull ? ", precision = [HIGHEST, HIGHEST]" : "";
    const text = `stablehlo.dot_general ${lhs.name}, ${rhs.name}, ${batch}${contract}${precision}`;
    return this.emit("dot", `${text} : ${signatureText([lhs, rhs], [type])}`, type);
  }

  /** Folds axes, which vanish. */
  reduce(op: "add" | "maximum" | "minimum", x: Ref, axes: readonly number[], first: number): Ref {
    if (axes.length === 0) return x;
    const init = this.scalar(x.dtype, first);
    const type = tensorType(x.dtype, withoutAxes(x.shape, axes));
    const text = `stablehlo.reduce(${x.name} init: ${init.name}) applies stablehlo.${op} across dimensions = ${listText(axes)}`;
    return this.emit("reduce", `${text} : ${signatureText([x, init], [type])}`, type);
  }

  /** The same value, which the compiler must take for another. */
  barrier(values: readonly Ref[]): Ref[] {
    const names = values.map(({ name }) => name).join(", ");
    return this.emitSeveral("barrier", `stablehlo.optimization_barrier ${names} : ${typesText(values)}`, values);
  }
}
