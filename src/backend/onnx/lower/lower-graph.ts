import type { Graph, Node, OpName, Value } from "../../../ir/graph.ts";
import { isComposite } from "../../../ir/op.ts";
import { type PlannedMask, planMasks } from "../../wasm/mask-plan.ts";
import type { OnnxModel } from "../proto/model.ts";
import { barrierTypes, tieBarriers } from "./barrier.ts";
import { LowerContext, type Rule, unsupported } from "./context.ts";
import { Emitter, MICROSOFT, type Ref, usedNames } from "./emitter.ts";
import { type LateSum, planLateSums } from "./late-sum.ts";
import { compositeRules, primitiveRules } from "./table.ts";
import { tieResults } from "./tie.ts";

/** Version of the standard operators that the lowering is written in (Gelu is there from 20 on). */
const OPSET = 20;

const rules = { ...primitiveRules, ...compositeRules } as Partial<Record<OpName, Rule<never>>>;

/** Where an ONNX input gets its data from. */
export type InputOrigin =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "mask"; readonly mask: PlannedMask };

export interface LoweredInput {
  readonly ref: Ref;
  readonly origin: InputOrigin;
}

/** A graph as an ONNX model, and how its inputs and outputs belong to the graph's. */
export interface LoweredGraph {
  readonly model: OnnxModel;
  /** ONNX inputs in order; graph inputs that nothing reads are left out. */
  readonly inputs: readonly LoweredInput[];
  /** ONNX outputs: first those of the graph, in its order, then rows of late sums. The shape may be another view of the same elements. */
  readonly outputs: readonly Ref[];
  /** What is added to outputs after a run; `rows` is among the ONNX outputs, behind the graph's own. */
  readonly lateSums: readonly (Omit<LateSum, "rows" | "rest"> & { readonly rows: Ref })[];
  /** Types of the results of the model's nodes, by name. */
  readonly results: ReadonlyMap<string, Ref>;
}

/** Operations that only move or convert: half-precision values may be stored, not computed with. */
const HALF_PRECISION = new Set<OpName>(["convert", "reshape", "transpose", "slice", "concatenate", "broadcast"]);

function lowerNode(context: LowerContext, node: Node, index: number): void {
  const rule = rules[node.op];
  if (rule === undefined) throw unsupported(node, "this composite must be decomposed before it is compiled");
  const isHalf = [...node.inputs, ...node.outputs].some(({ dtype }) => dtype === "bf16" || dtype === "f16");
  if (isHalf && !HALF_PRECISION.has(node.op)) {
    throw unsupported(node, "ONNX Runtime computes in f32 on this device; convert first");
  }
  context.emitter.label = `${node.op}.${index}${node.source === undefined ? "" : `@${node.source}`}`;
  const results = rule(context, node as never);
  node.outputs.forEach((value, i) => {
    context.define(value, results[i]!);
  });
}

function lowerNodes(context: LowerContext): void {
  context.graph.nodes.forEach((node, index) => {
    if (!node.outputs.every((value) => context.isDefined(value))) lowerNode(context, node, index);
  });
}

/** Results under names of their own: not an input's, not a constant's, not each other's, and not a mere view. */
function namedOutputs(context: LowerContext, inputNames: ReadonlySet<string>, values: readonly Value[]): Ref[] {
  const { emitter } = context;
  const taken = new Set(inputNames);
  for (const name of Object.keys(emitter.initializers)) taken.add(name);
  return values.map((value) => {
    const source = emitter.viewedBy(context.ref(value));
    const ref = taken.has(source.name) ? emitter.op("Identity", [source], source) : source;
    taken.add(ref.name);
    return ref;
  });
}

/** One input for each different mask: recomputed pieces read the masks of the first pass. */
function maskInputs(context: LowerContext): LoweredInput[] {
  const inputs = new Map<string, LoweredInput>();
  for (const mask of planMasks(context.graph)) {
    const { dtype, shape } = mask.value;
    const key = JSON.stringify([mask.key, mask.rate, shape]);
    const known = inputs.get(key);
    const input = known ?? { ref: { name: `mask_${inputs.size}`, dtype, shape }, origin: { kind: "mask", mask } };
    inputs.set(key, input);
    context.define(mask.value, input.ref);
  }
  return [...inputs.values()];
}

/** The constant that stands for a fixed input. */
export const weightName = (input: string): string => `weight:${input}`;

export interface FixedNames {
  readonly names: { has(input: string): boolean };
  /** `OrtWeights.location`. */
  readonly location: string;
}

export interface LowerOptions {
  /** Whether results are made in program order where memory hangs on it, by `tieResults`; true by default. */
  readonly keepsOrder?: boolean;
}

/**
 * Translates a graph into an ONNX model.
 * @param fixed graph inputs that become constants of the model, given to the session by {@link weightName}
 * @throws {BackendError} UNSUPPORTED_NODE naming the node
 */
export function lowerGraph(graph: Graph, fixed?: FixedNames, { keepsOrder = true }: LowerOptions = {}): LoweredGraph {
  const emitter = new Emitter();
  const planned = planLateSums(graph);
  const context = new LowerContext(graph, emitter, lowerNodes, planned);
  const isFixed = (index: number): boolean => fixed?.names.has(graph.inputs[index]!.name) === true;
  const inputs: LoweredInput[] = graph.inputs.map(({ name, value }, index) => ({
    ref: { name: isFixed(index) ? weightName(name) : `input_${index}`, dtype: value.dtype, shape: value.shape },
    origin: { kind: "input", index },
  }));
  for (const { ref, origin } of inputs) {
    if (origin.kind === "input") context.define(graph.inputs[origin.index]!.value, ref);
  }
  inputs.push(...maskInputs(context));
  lowerNodes(context);
  const rows = [...new Set([...planned.values()].map((late) => late.rows))];
  const outputs = namedOutputs(context, new Set(inputs.map(({ ref }) => ref.name)), [
    ...graph.outputs.map(({ value }) => value),
    ...rows,
  ]);
  const needed = emitter.needed(outputs.map(({ name }) => name));
  const untied = tieBarriers(emitter, needed);
  const { nodes, types } = keepsOrder
    ? tieResults(emitter, untied, new Set(untied.flatMap(usedNames)))
    : { nodes: untied, types: [] };
  const read = new Set(nodes.flatMap(usedNames));
  const all = inputs.filter(({ ref }) => read.has(ref.name));
  const used = all.filter(({ origin }) => origin.kind === "mask" || !isFixed(origin.index));
  const weights = all
    .filter((input) => !used.includes(input))
    .map(({ ref }) => ({ ...ref, location: fixed!.location }));
  const model: OnnxModel = {
    graph: {
      name: graph.name,
      nodes,
      inputs: used.map(({ ref }) => ref),
      outputs,
      valueInfo: [...barrierTypes(emitter, needed), ...types],
      initializers: Object.fromEntries(Object.entries(emitter.initializers).filter(([name]) => read.has(name))),
      weights,
    },
    opsets: { "": OPSET, [MICROSOFT]: 1 },
  };
  return {
    model,
    inputs: used,
    outputs,
    lateSums: [...planned.values()].map(({ output, ids, rows: value }) => {
      return { output, ids, rows: outputs[graph.outputs.length + rows.indexOf(value)]! };
    }),
    results: new Map([...emitter.results, ...types.map((type) => [type.name, type] as const)]),
  };
}

/** Whether a composite is taken whole. */
export function isLoweredWhole(op: OpName): boolean {
  return isComposite(op) && op in compositeRules;
}
