/** @file Elementwise primitives. */
import { statisticDtype } from "../../../ir/dtype.ts";
import type { Node, PrimitiveName, Value } from "../../../ir/graph.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { BinaryName, Ref, UnaryName } from "./emitter.ts";
import { erf } from "./erf.ts";
import { scatterAdd } from "./scatter.ts";

const unary =
  <P extends PrimitiveName>(op: UnaryName): Rule<P> =>
  (context, node) => [context.emitter.unary(op, context.ref(node.inputs[0]!))];

const binary =
  <P extends PrimitiveName>(op: BinaryName): Rule<P> =>
  (context, node) => {
    const [a, b] = context.refsOf(node) as [Ref, Ref];
    return [context.emitter.binary(op, a, b)];
  };

const alias =
  <P extends PrimitiveName>(): Rule<P> =>
  (context, node) => [context.ref(node.inputs[0]!)];

const add: Rule<"add"> = (context, node) => {
  const { emitter, sums } = context;
  const [y] = node.outputs;
  const parts = sums.concatenations.get(node as Node);
  if (parts !== undefined) {
    const refs = parts.parts.map((value) => context.ref(value));
    return [context.asHeld(y!, emitter.concatenate(refs, parts.axis))];
  }
  const rows = sums.rows.get(node as Node);
  if (rows !== undefined) {
    const [ids, dOut] = rows.gradient.inputs as readonly [Value, Value];
    return [scatterAdd(emitter, context.wideRef(rows.table), context.ref(ids), context.wideRef(dOut), 0)];
  }
  const [a, b] = node.inputs.map((value) => (context.isWide(y!) ? context.wideRef(value) : context.ref(value)));
  return [emitter.add(a!, b!)];
};

/** Whole numbers divided by 0 give 0, as on the other engines; XLA would give −1. */
const div: Rule<"div"> = (context, node) => {
  const { emitter } = context;
  const [a, b] = context.refsOf(node) as [Ref, Ref];
  const quotient = emitter.divide(a, b);
  if (a.dtype !== "i32" && a.dtype !== "u32") return [quotient];
  return [emitter.select(emitter.compare("eq", b, 0), emitter.fill(a, 0), quotient)];
};

const convert: Rule<"convert"> = (context, { inputs: [x], params: { dtype } }) => {
  const isWidening = dtype === statisticDtype(x!.dtype);
  return [context.emitter.convert(isWidening ? context.wideRef(x!) : context.ref(x!), dtype)];
};

const compare: Rule<"compare"> = (context, node) => {
  const [a, b] = context.refsOf(node) as [Ref, Ref];
  return [context.emitter.compare(node.params.direction, a, b)];
};

const select: Rule<"select"> = (context, node) => {
  const [predicate, a, b] = context.refsOf(node) as [Ref, Ref, Ref];
  return [context.emitter.select(predicate, a, b)];
};

/**
 * A run of barriers becomes one, and holds its values back until what stands before it has been computed: what is
 * computed again for the backward pass would else be computed, and kept, long before it is needed.
 */
function barrier(context: LowerContext, node: Parameters<Rule<"barrier">>[1]): readonly Ref[] {
  const { nodes } = context.graph;
  const start = nodes.findIndex(({ outputs }) => outputs[0] === node.outputs[0]);
  let end = start + 1;
  while (nodes[end]?.op === "barrier" && nodes[end]!.inputs.every((value) => context.isDefined(value))) end++;
  const run = nodes.slice(start, end);
  const before = context.last;
  const values = run.map(({ inputs }) => context.ref(inputs[0]!));
  const isTied = before !== undefined && !values.some(({ name }) => name === before.name);
  const results = context.emitter.barrier(isTied ? [...values, before] : values);
  run.forEach(({ outputs }, i) => {
    context.define(outputs[0]!, results[i]!);
  });
  return [results[0]!];
}

export const elementwiseRules = {
  neg: unary("negate"),
  abs: unary("abs"),
  sign: unary("sign"),
  floor: unary("floor"),
  exp: unary("exponential"),
  log: unary("log"),
  sqrt: unary("sqrt"),
  tanh: unary("tanh"),
  erf: (context, node) => [erf(context.emitter, context.ref(node.inputs[0]!))],
  logistic: unary("logistic"),
  sin: unary("sine"),
  cos: unary("cosine"),
  not: unary("not"),
  convert,
  stopGradient: alias(),
  barrier,
  add,
  sub: binary("subtract"),
  mul: binary("multiply"),
  div,
  max: binary("maximum"),
  min: binary("minimum"),
  pow: binary("power"),
  and: binary("and"),
  or: binary("or"),
  xor: binary("xor"),
  shiftLeft: binary("shift_left"),
  shiftRight: binary("shift_right_logical"),
  compare,
  select,
} satisfies { readonly [P in PrimitiveName]?: Rule<P> };
