import { dtypeBytes, type TensorType } from "../../../ir/dtype.ts";
import type { Graph, Node, OpName } from "../../../ir/graph.ts";
import { isComposite } from "../../../ir/op.ts";
import { sizeOf, stridesOf } from "../../../ir/shape.ts";
import { type PlannedMask, planMasks } from "../../wasm/mask-plan.ts";
import type { Program } from "../program.ts";
import { LowerContext, type Rule, unsupported } from "./context.ts";
import { Emitter } from "./emitter.ts";
import { concatenateInto } from "./movement.ts";
import { placeOutputs, placePieces } from "./placement.ts";
import type { Block, Ref } from "./ref.ts";
import { compositeRules, primitiveRules } from "./table.ts";

const rules = { ...primitiveRules, ...compositeRules } as Partial<Record<OpName, Rule<never>>>;

/** A graph as steps of the library, and the masks that must be filled before each run. */
export interface LoweredGraph {
  /** Its inputs are the graph's, then one for each mask. */
  readonly program: Program;
  readonly masks: readonly PlannedMask[];
}

/** Operations that only move or convert: half precision may be stored, not computed with. */
const HALF_PRECISION = new Set<OpName>(["convert", "reshape", "transpose", "slice", "concatenate", "broadcast"]);

/** dtypes that the engine stores and computes. */
function check(node: Node): void {
  const types = [...node.inputs, ...node.outputs].map(({ dtype }) => dtype);
  if (types.includes("f64")) throw unsupported(node, "f64 is the reference engine's; convert first");
  if (types.includes("f16") && !HALF_PRECISION.has(node.op)) {
    throw unsupported(node, "f16 is stored, not computed with; convert first");
  }
}

function lowerNodes(context: LowerContext): void {
  const { tilings, skipped } = placePieces(context);
  context.graph.nodes.forEach((node) => {
    if (skipped.has(node) || node.outputs.every((value) => context.isDefined(value))) return;
    const rule = rules[node.op];
    if (rule === undefined) throw unsupported(node, "this composite must be decomposed before it is compiled");
    check(node);
    context.emitter.label = node.source === undefined ? node.op : `${node.op} at ${node.source}`;
    const tiling = tilings.get(node.outputs[0]!);
    if (tiling === undefined) rule(context, node as never);
    else concatenateInto(context, node.outputs[0]!, tiling.parts, tiling.axis);
  });
}

function inputRef({ dtype, shape }: TensorType, index: number): Ref {
  const block: Block = { bytes: sizeOf(shape) * dtypeBytes[dtype], home: { kind: "input", index } };
  return { dtype, shape, strides: stridesOf(shape), block, offset: 0 };
}

/** One input for each different mask: recomputed pieces read the masks of the first pass. */
function maskInputs(context: LowerContext): PlannedMask[] {
  const known = new Map<string, { readonly ref: Ref; readonly mask: PlannedMask }>();
  for (const mask of planMasks(context.graph)) {
    const key = JSON.stringify([mask.key, mask.rate, mask.value.shape]);
    const index = context.graph.inputs.length + known.size;
    const input = known.get(key) ?? { ref: inputRef(mask.value, index), mask };
    known.set(key, input);
    context.define(mask.value, input.ref);
  }
  return [...known.values()].map(({ mask }) => mask);
}

/** Translates a graph into a program. @throws {BackendError} UNSUPPORTED_NODE naming the node */
export function lowerGraph(graph: Graph): LoweredGraph {
  const emitter = new Emitter();
  const context = new LowerContext(graph, emitter, lowerNodes);
  graph.inputs.forEach(({ value }, index) => {
    context.define(value, inputRef(value, index));
  });
  const masks = maskInputs(context);
  const outputs = placeOutputs(context);
  lowerNodes(context);
  graph.outputs.forEach(({ name, value }, i) => {
    emitter.label = `output "${name}"`;
    context.write(value, outputs[i]!);
  });
  const typeOf = ({ dtype, shape }: TensorType): TensorType => ({ dtype, shape });
  const program = {
    name: graph.name,
    ...emitter.finish(),
    inputs: [...graph.inputs.map(({ value }) => typeOf(value)), ...masks.map(({ value }) => typeOf(value))],
    outputs: graph.outputs.map(({ value }) => typeOf(value)),
  };
  return { program, masks };
}

/** Whether a composite is taken whole. */
export function isLoweredWhole(op: OpName): boolean {
  return isComposite(op) && op in compositeRules;
}
