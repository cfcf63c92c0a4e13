import { BackendError, internalError } from "../../../base/errors.ts";
import { type DType, dtypeBytes, isFloat } from "../../../ir/dtype.ts";
import type { Graph, Node, NodeOf, OpName, Value } from "../../../ir/graph.ts";
import { formatType, type Shape, sameShape, sizeOf } from "../../../ir/shape.ts";
import type { Emitter } from "./emitter.ts";
import { isDense, type Ref, repeats, reshapeView, samePlace } from "./ref.ts";

/** Emits the steps of one graph node and defines its results. */
export type Rule<P extends OpName> = (context: LowerContext, node: NodeOf<P>) => void;

/** Where a value is to be written; asked for when its producer is lowered. */
type Home = () => Ref | undefined;

/** A result that is not computed before it is known what follows. */
export interface Waiting {
  readonly shape: Shape;
  reshaped(shape: Shape): Waiting;
  /** Writes the result and gives the value. */
  emit(target: Ref): Ref;
  /** Whether what reads the value can take it up. */
  canWait(value: Value): boolean;
}

/** What the rules know while one graph is lowered: where every value is, who made it and who reads it. */
export class LowerContext {
  readonly graph: Graph;
  readonly emitter: Emitter;
  /** Lowers the nodes of a nested graph's context; set by the driver. */
  readonly lowerNodes: (context: LowerContext) => void;
  /** What a result of a composite needs besides itself, by the result: see the rules that set them. */
  readonly companions = new Map<Value, Companion>();
  private readonly refs = new Map<Value, Ref>();
  private readonly waiting = new Map<Value, Waiting>();
  /** Float conversions that nobody has asked for yet, by their results. */
  private readonly conversions = new Map<Value, Value>();
  private readonly converted = new Map<Value, Map<DType, Ref>>();
  private readonly homes = new Map<Value, Home>();
  private readonly targets = new Map<Value, Ref>();
  private readonly producers = new Map<Value, Node>();
  private readonly readers = new Map<Value, Node[]>();
  private readonly results: ReadonlySet<Value>;

  constructor(graph: Graph, emitter: Emitter, lowerNodes: (context: LowerContext) => void) {
    this.graph = graph;
    this.emitter = emitter;
    this.lowerNodes = lowerNodes;
    this.results = new Set(graph.outputs.map(({ value }) => value));
    for (const node of graph.nodes) {
      for (const value of node.outputs) this.producers.set(value, node);
      for (const value of node.inputs) this.readers.set(value, [...(this.readers.get(value) ?? []), node]);
    }
  }

  // Values and their places

  define(value: Value, ref: Ref): void {
    if (!sameShape(value.shape, ref.shape)) {
      throw internalError(`oneDNN lowering gives ${formatType(ref)} for ${formatType(value)}`);
    }
    this.refs.set(value, ref);
  }

  /** Leaves a float conversion until somebody needs its elements. */
  defineConversion(value: Value, source: Value): void {
    this.conversions.set(value, source);
  }

  isDefined(value: Value): boolean {
    return this.hasRefOrWaiting(value) || this.conversions.has(value);
  }

  /** Leaves a result until what follows is known. */
  putWaiting(value: Value, waiting: Waiting): void {
    this.waiting.set(value, waiting);
  }

  /** Takes a waiting result, so that only one step can go on with it. */
  takeWaiting(value: Value): Waiting | undefined {
    const waiting = this.waiting.get(value);
    this.waiting.delete(value);
    return waiting;
  }

  isWaiting(value: Value): boolean {
    return this.waiting.has(value);
  }

  hasRefOrWaiting(value: Value): boolean {
    return this.refs.has(value) || this.waiting.has(value);
  }

  /** One value as another name of one that exists. */
  alias(value: Value, source: Value): void {
    const conversion = this.refs.has(source) ? undefined : this.conversions.get(source);
    if (conversion !== undefined) this.conversions.set(value, conversion);
    else this.define(value, this.exact(source));
  }

  /** Puts a value's elements into a place. */
  write(value: Value, target: Ref): void {
    const waiting = this.takeWaiting(value);
    if (waiting !== undefined) {
      waiting.emit(target);
      return;
    }
    const ref = this.ref(value);
    if (!samePlace(ref, target)) this.copy(ref, target);
  }

  /** Where a value is. Its storage may be f32 where the value is bf16, see `storageOf`. */
  ref(value: Value): Ref {
    const ref = this.refs.get(value);
    if (ref !== undefined) return ref;
    const waiting = this.takeWaiting(value);
    if (waiting !== undefined) {
      this.define(value, waiting.emit(this.target(value)));
      return this.refs.get(value)!;
    }
    const source = this.conversions.get(value);
    if (source === undefined) throw internalError(`oneDNN lowering: %${value.id} has not been lowered`);
    this.define(value, this.convertedTo(source, value.dtype));
    return this.refs.get(value)!;
  }

  /** Where a float value is, before conversions that only narrow it: more exact, and one pass less. */
  floatRef(value: Value): Ref {
    const source = this.refs.has(value) ? undefined : this.conversions.get(value);
    return source === undefined || !isFloat(source.dtype) ? this.ref(value) : this.floatRef(source);
  }

  /** A value in its own dtype. */
  exact(value: Value): Ref {
    const ref = this.ref(value);
    return ref.dtype === value.dtype ? ref : this.cast(ref, value.dtype);
  }

  /** A float value in the given dtype, from its most exact source. */
  floatAs(value: Value, dtype: DType): Ref {
    const source = this.refs.has(value) ? undefined : this.conversions.get(value);
    if (source !== undefined && isFloat(source.dtype)) return this.floatAs(source, dtype);
    return this.ref(value).dtype === dtype ? this.ref(value) : this.convertedTo(value, dtype);
  }

  private convertedTo(source: Value, dtype: DType): Ref {
    const origin = this.conversions.get(source);
    // Widening loses nothing, so that only the first narrowing counts.
    if (origin !== undefined && !this.refs.has(source) && dtypeBytes[source.dtype] >= dtypeBytes[dtype]) {
      return this.convertedTo(origin, dtype);
    }
    const known = this.converted.get(source) ?? new Map<DType, Ref>();
    this.converted.set(source, known);
    const found = known.get(dtype);
    if (found !== undefined) return found;
    const ref = this.cast(this.ref(source), dtype);
    known.set(dtype, ref);
    return ref;
  }

  /** What a forward rule left with a result, which may go under other names since. */
  companion(value: Value): Companion | undefined {
    return this.companions.get(this.original(value));
  }

  /** Whether two values are one, hidden from the optimiser or not. */
  isSame(a: Value, b: Value): boolean {
    return this.original(a) === this.original(b);
  }

  private original(value: Value): Value {
    const node = this.producers.get(value);
    return node?.op === "barrier" || node?.op === "stopGradient" ? this.original(node.inputs[0]!) : value;
  }

  // Who makes and who reads

  producer(value: Value): Node | undefined {
    return this.producers.get(value);
  }

  /** The node that made a value, looking through what only hides or renames it. */
  origin(value: Value): Node | undefined {
    return this.producers.get(this.original(value));
  }

  /** The only node that reads a value; undefined for several, none, or a result of the graph. */
  soleReader(value: Value): Node | undefined {
    const readers = this.readers.get(value) ?? [];
    return readers.length === 1 && !this.results.has(value) ? readers[0] : undefined;
  }

  readersOf(value: Value): readonly Node[] {
    return this.readers.get(value) ?? [];
  }

  isResult(value: Value): boolean {
    return this.results.has(value);
  }

  /**
   * The dtype a value is stored in: f32 for a bf16 value that is only read in f32, so that kernels which sum in f32
   * write what they have.
   */
  storageOf(value: Value): DType {
    if (value.dtype !== "bf16" || this.results.has(value)) return value.dtype;
    const readers = this.readersOf(value);
    const wide = (node: Node) =>
      (node.op === "convert" && node.params.dtype === "f32") ||
      ((node.op === "crossEntropy" || node.op === "crossEntropyGrad") && node.inputs[0] === value);
    return readers.length > 0 && readers.every(wide) ? "f32" : "bf16";
  }

  // Targets

  /** Says where a value is to be written when its producer asks. The first word counts. */
  setHome(value: Value, home: Home): void {
    if (!this.homes.has(value)) this.homes.set(value, home);
  }

  hasHome(value: Value): boolean {
    return this.homes.has(value);
  }

  /** Where to write a value: its home, or new dense memory. The same answer every time. */
  target(value: Value): Ref {
    const known = this.targets.get(value);
    if (known !== undefined) return known;
    const dtype = this.storageOf(value);
    const home = this.homes.get(value)?.();
    const fits = home !== undefined && home.dtype === dtype && sameShape(home.shape, value.shape);
    const ref = fits ? home : this.emitter.allocate(dtype, value.shape);
    this.targets.set(value, ref);
    return ref;
  }

  // Copies

  /** Copies elements between views of one shape, converting floats. */
  copy(source: Ref, target: Ref): void {
    const inLibrary = (ref: Ref) => ref.dtype === "f32" || ref.dtype === "bf16" || ref.dtype === "i32";
    const sameKind = isFloat(source.dtype) === isFloat(target.dtype);
    if (inLibrary(source) && inLibrary(target) && sameKind && !repeats(source)) this.emitter.reorder(source, target);
    else this.emitter.host("copy", {}, [source], [target]);
  }

  cast(ref: Ref, dtype: DType): Ref {
    const target = this.emitter.allocate(dtype, ref.shape);
    this.copy(ref, target);
    return target;
  }

  /** The same elements, dense. */
  dense(ref: Ref): Ref {
    return isDense(ref) ? ref : this.cast(ref, ref.dtype);
  }

  /** The same elements under another shape, copied only where strides cannot say it. */
  reshaped(ref: Ref, shape: Shape): Ref {
    return reshapeView(ref, shape) ?? reshapeView(this.dense(ref), shape)!;
  }

  /** A matrix of the last axis against all others. */
  rows(ref: Ref): Ref {
    const size = ref.shape.at(-1) ?? 1;
    return this.reshaped(ref, [size === 0 ? 0 : sizeOf(ref.shape) / size, size]);
  }

  nested(graph: Graph): LowerContext {
    return new LowerContext(graph, this.emitter, this.lowerNodes);
  }
}

/** Facts that a forward rule leaves for its gradient. */
export type Companion =
  | { readonly kind: "variance"; readonly variance: Ref; readonly epsilon: number }
  | { readonly kind: "dropped"; readonly probabilities: Ref }
  | { readonly kind: "logProbabilities"; readonly logits: Value; readonly ref: Ref };

/** The error for a node that the engine has no kernel for. */
export function unsupported(node: Node, reason: string): BackendError {
  const where = node.source === undefined ? "" : ` Traced at ${node.source}.`;
  const types = node.inputs.map(formatType).join(", ");
  return new BackendError(`${reason}; ${node.op} of ${types === "" ? "no operands" : types}.${where}`, {
    code: "UNSUPPORTED_NODE",
    path: "onednn.compile",
    details: { op: node.op },
  });
}
