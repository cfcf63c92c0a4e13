import { BackendError, internalError } from "../../../base/errors.ts";
import type { Graph, Node, NodeOf, OpName, Value } from "../../../ir/graph.ts";
import { broadcastShapes, formatType, type Shape, sameShape } from "../../../ir/shape.ts";
import { ValueUses } from "../../../ir/value-uses.ts";
import { Emitter, type Ref } from "./emitter.ts";
import type { LateSum } from "./late-sum.ts";

/** Emits the ONNX nodes of one graph node and gives its results. */
export type Rule<P extends OpName> = (context: LowerContext, node: NodeOf<P>) => readonly Ref[];

/** What the rules know while one graph is lowered: where every value is, who made it and how often it is used. */
export class LowerContext {
  readonly graph: Graph;
  readonly emitter: Emitter;
  /** Lowers a nested graph; set by the driver, so that the rules of nested graphs need not import it. */
  readonly lowerNodes: (context: LowerContext) => void;
  /** Dropped-out probabilities of attention, by the probabilities: the backward pass uses them again. */
  readonly droppedProbabilities = new Map<Value, Ref>();
  /** Outputs that lack the rows of an embedding, by value; none in nested graphs. */
  readonly lateSums: ReadonlyMap<Value, LateSum>;
  private readonly refs = new Map<Value, Ref>();
  private readonly uses: ValueUses;

  constructor(
    graph: Graph,
    emitter: Emitter,
    lowerNodes: (context: LowerContext) => void,
    lateSums: ReadonlyMap<Value, LateSum> = new Map(),
  ) {
    this.lateSums = lateSums;
    this.graph = graph;
    this.emitter = emitter;
    this.lowerNodes = lowerNodes;
    this.uses = new ValueUses(graph);
  }

  /** Context of a graph nested in this one. */
  nested(graph: Graph): LowerContext {
    return new LowerContext(graph, new Emitter(this.emitter), this.lowerNodes);
  }

  define(value: Value, ref: Ref): void {
    if (!sameShape(value.shape, ref.shape)) {
      throw internalError(`onnx lowering gives ${ref.dtype}[${ref.shape}] for ${formatType(value)}`, {
        name: ref.name,
      });
    }
    this.refs.set(value, ref);
  }

  isDefined(value: Value): boolean {
    return this.refs.has(value);
  }

  /** Where a value is. */
  ref(value: Value): Ref {
    const ref = this.refs.get(value);
    if (ref === undefined) throw internalError(`onnx lowering: %${value.id} has not been lowered`);
    return ref;
  }

  /** All operands of a node. */
  refsOf(node: Node): Ref[] {
    return node.inputs.map((value) => this.ref(value));
  }

  producer(value: Value): Node | undefined {
    return this.uses.producer(value);
  }

  /** The node that made a value if it is the named operation and nobody else uses the value. */
  soleProducer<P extends OpName>(value: Value, op: P): NodeOf<P> | undefined {
    return this.uses.soleProducer(value, op);
  }

  /** The value with size 1 on every axis along which it only repeats; broadcasting operators repeat it for free. */
  narrow(value: Value): Ref {
    const node = this.uses.producer(value);
    if (node?.op !== "broadcast") return this.ref(value);
    const base = this.narrow(node.inputs[0]!);
    const shape = value.shape.map(() => 1);
    node.params.dims.forEach((dim, axis) => {
      shape[dim] = base.shape[axis]!;
    });
    return this.emitter.reshape(base, shape);
  }

  /** Operands of a broadcasting operator, as narrow as the result's shape allows. */
  operands(values: readonly Value[], shape: Shape): Ref[] {
    const refs = values.map((value) => this.narrow(value));
    const joint = refs.reduce<readonly number[] | undefined>(
      (all, { shape: one }) => (all === undefined ? undefined : broadcastShapes(all, one)),
      [],
    );
    if (joint === undefined || !sameShape(joint, shape)) refs[0] = this.ref(values[0]!);
    return refs;
  }
}

/** The error for a node that the engine has no kernel for. */
export function unsupported(node: Node, reason: string): BackendError {
  const where = node.source === undefined ? "" : ` Traced at ${node.source}.`;
  const types = node.inputs.map(formatType).join(", ");
  return new BackendError(`${reason}; ${node.op} of ${types === "" ? "no operands" : types}.${where}`, {
    code: "UNSUPPORTED_NODE",
    path: "onnx.compile",
    details: { op: node.op },
  });
}
