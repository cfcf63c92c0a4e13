import { BackendError, internalError } from "../../../base/errors.ts";
import { type DType, statisticDtype } from "../../../ir/dtype.ts";
import type { Graph, Node, NodeOf, OpName, Value } from "../../../ir/graph.ts";
import { formatType, sameShape } from "../../../ir/shape.ts";
import { ValueUses } from "../../../ir/value-uses.ts";
import type { Emitter, Ref } from "./emitter.ts";
import type { Spread } from "./sharding-text.ts";
import { planSums, type SumPlan } from "./sum-plan.ts";
import { planWide } from "./wide.ts";

/** Emits the operations of one node and gives its results. */
export type Rule<P extends OpName> = (context: LowerContext, node: NodeOf<P>) => readonly Ref[];

/** What is kept from a fused attention for its gradient. */
export interface FusedAttention {
  readonly out: Ref;
  /** log Σ eˢᶜᵒʳᵉ `[B, N, T]`. */
  readonly statistic: Ref;
  /** One or none. */
  readonly bias: readonly Ref[];
}

/** Settings of the whole module that rules ask for. */
export interface LowerFacts {
  readonly customCalls: ReadonlySet<string>;
  readonly oneHotRows: number;
  readonly spread: Spread;
  /** How often attention was lowered in which way. */
  readonly attention: { fused: number; exact: number };
}

/** What the rules know while one graph is lowered: where every value is, who made it and who reads it. */
export class LowerContext {
  readonly graph: Graph;
  readonly emitter: Emitter;
  readonly facts: LowerFacts;
  readonly uses: ValueUses;
  readonly sums: SumPlan;
  /** Fused attentions by their probabilities, which are not there. */
  readonly fusedAttentions = new Map<Value, FusedAttention>();
  /** The result before, which what must wait waits for. */
  last: Ref | undefined;
  /** Lowers a nested graph; set by the driver, so that rules need not import it. */
  readonly lowerNodes: (context: LowerContext) => void;
  private readonly refs = new Map<Value, Ref>();
  private readonly wideValues: ReadonlySet<Value>;

  constructor(graph: Graph, emitter: Emitter, facts: LowerFacts, lowerNodes: (context: LowerContext) => void) {
    this.graph = graph;
    this.emitter = emitter;
    this.facts = facts;
    this.lowerNodes = lowerNodes;
    this.uses = new ValueUses(graph);
    this.wideValues = planWide(graph);
    this.sums = planSums(
      graph,
      this.uses,
      (value) => this.isWide(value),
      (rows) => rows > facts.oneHotRows,
    );
  }

  /** A graph inside this one, in the same block of text or one of its own. */
  nested(graph: Graph, emitter = this.emitter): LowerContext {
    return new LowerContext(graph, emitter, this.facts, this.lowerNodes);
  }

  define(value: Value, ref: Ref): void {
    if (ref.dtype !== this.heldDtype(value) || !sameShape(value.shape, ref.shape)) {
      throw internalError(`StableHLO lowering gives ${formatType(ref)} for ${formatType(value)}`, { name: ref.name });
    }
    this.refs.set(value, ref);
  }

  isDefined(value: Value): boolean {
    return this.refs.has(value);
  }

  private held(value: Value): Ref {
    const ref = this.refs.get(value);
    if (ref === undefined) throw internalError(`StableHLO lowering: %${value.id} has not been lowered`);
    return ref;
  }

  /** Where a value is, in its own dtype. */
  ref(value: Value): Ref {
    return this.emitter.convert(this.held(value), value.dtype);
  }

  refsOf(node: { readonly inputs: readonly Value[] }): Ref[] {
    return node.inputs.map((value) => this.ref(value));
  }

  /** A value in the dtype of sums, not rounded before where that can be avoided. */
  wideRef(value: Value): Ref {
    return this.emitter.convert(this.held(value), statisticDtype(value.dtype));
  }

  /** Whether a 16-bit value is held in f32, see `planWide`. */
  isWide(value: Value): boolean {
    return this.wideValues.has(value);
  }

  /** The dtype that a value is held in. */
  heldDtype(value: Value): DType {
    return this.isWide(value) ? statisticDtype(value.dtype) : value.dtype;
  }

  /** A result in the dtype that its value is held in. */
  asHeld(value: Value, ref: Ref): Ref {
    return this.emitter.convert(ref, this.heldDtype(value));
  }
}

/** The error for a node that cannot be lowered. */
export function unsupported(node: Node, reason: string): BackendError {
  const where = node.source === undefined ? "" : ` Traced at ${node.source}.`;
  const types = node.inputs.map(formatType).join(", ");
  return new BackendError(`${reason}; ${node.op} of ${types === "" ? "no operands" : types}.${where}`, {
    code: "UNSUPPORTED_NODE",
    path: "xla.compile",
    details: { op: node.op },
  });
}
