/** @file Loops over the leading axis, and calls. */
import type { NodeOf, OpName } from "../../../ir/graph.ts";
import { tensorType } from "../../../ir/shape.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { signatureText, typesText } from "./type-text.ts";

/** Where one entry of the leading axis begins. */
function entryPlace(emitter: Emitter, index: Ref, rank: number): Ref[] {
  return [index, ...Array.from({ length: rank - 1 }, () => emitter.scalar("i32", 0))];
}

/** The entry of a sequence at an index. */
function entryOf(emitter: Emitter, sequence: Ref, index: Ref): Ref {
  const [, ...rest] = sequence.shape;
  const places = entryPlace(emitter, index, sequence.shape.length);
  const type = tensorType(sequence.dtype, [1, ...rest]);
  const names = [sequence, ...places].map(({ name }) => name).join(", ");
  const text = `stablehlo.dynamic_slice ${names}, sizes = [${type.shape.join(", ")}]`;
  const entry = emitter.emit("entry", `${text} : ${signatureText([sequence, ...places], [type])}`, type);
  return emitter.reshape(entry, rest);
}

/** The stack with an entry put in at an index. */
function withEntry(emitter: Emitter, stack: Ref, entry: Ref, index: Ref): Ref {
  const places = entryPlace(emitter, index, stack.shape.length);
  const row = emitter.reshape(entry, [1, ...entry.shape]);
  const operands = [stack, row, ...places];
  const names = operands.map(({ name }) => name).join(", ");
  const text = `stablehlo.dynamic_update_slice ${names} : ${signatureText(operands, [stack])}`;
  return emitter.emit("stack", text, stack);
}

/** What the loop holds, in this order; sequences and constants go round unchanged. */
interface LoopState {
  readonly step: Ref;
  readonly consts: readonly Ref[];
  readonly carries: readonly Ref[];
  readonly sequences: readonly Ref[];
  readonly stacks: readonly Ref[];
}

const listed = ({ step, consts, carries, sequences, stacks }: LoopState): Ref[] => [
  step,
  ...consts,
  ...carries,
  ...sequences,
  ...stacks,
];

/** The state after one step of the body. */
function stepOnce(context: LowerContext, emitter: Emitter, node: NodeOf<"scan">, state: LoopState): LoopState {
  const { body, numCarries, length, reverse } = node.params;
  const { step, consts, carries, sequences, stacks } = state;
  const index = reverse ? emitter.subtract(emitter.scalar("i32", length - 1), step) : step;
  const inner = context.nested(body, emitter);
  const entries = sequences.map((sequence) => entryOf(emitter, sequence, index));
  [...consts, ...carries, ...entries].forEach((ref, i) => {
    inner.define(body.inputs[i]!.value, ref);
  });
  inner.lowerNodes(inner);
  const results = body.outputs.map(({ value }) => inner.ref(value));
  return {
    step: emitter.add(step, 1),
    consts,
    carries: results.slice(0, numCarries),
    sequences,
    stacks: stacks.map((stack, i) => withEntry(emitter, stack, results[numCarries + i]!, index)),
  };
}

const scan: Rule<"scan"> = (context, node) => {
  const { emitter } = context;
  const { body, numConsts, numCarries, length } = node.params;
  const operands = context.refsOf(node);
  const first: LoopState = {
    step: emitter.scalar("i32", 0),
    consts: operands.slice(0, numConsts),
    carries: operands.slice(numConsts, numConsts + numCarries),
    sequences: operands.slice(numConsts + numCarries),
    stacks: node.outputs.slice(numCarries).map((type) => emitter.fill(type, 0)),
  };
  if (length === 0) return [...first.carries, ...first.stacks];
  const named =
    (base: string) =>
    (ref: Ref): Ref => ({ ...ref, name: `%${emitter.names.numbered(base)}` });
  const state: LoopState = {
    step: named("step")(first.step),
    consts: first.consts.map(named("const")),
    carries: first.carries.map(named("carry")),
    sequences: first.sequences.map(named("sequence")),
    stacks: first.stacks.map(named("stack")),
  };
  const initial = listed(first);
  const held = listed(state);
  const condition = emitter.block();
  const goesOn = condition.compare("lt", state.step, length);
  const block = emitter.block();
  const next = listed(stepOnce(context, block, node, state));
  const pairs = held.map((ref, i) => `${ref.name} = ${initial[i]!.name}`).join(", ");
  const text = [
    `stablehlo.while(${pairs}) : ${typesText(held)}`,
    `${emitter.margin}cond {`,
    emitter.region(condition, [goesOn]),
    `${emitter.margin}} do {`,
    emitter.region(block, next),
    `${emitter.margin}}`,
  ].join("\n");
  const last = emitter.emitSeveral("scan", text, held);
  const start = 1 + numConsts;
  const stacksAt = start + numCarries + (body.inputs.length - numConsts - numCarries);
  return [...last.slice(start, start + numCarries), ...last.slice(stacksAt)];
};

/** A call is written out where it stands; what keeps its recomputation apart are barriers. */
const call: Rule<"call"> = (context, node) => {
  const { body } = node.params;
  const inner = context.nested(body);
  body.inputs.forEach(({ value }, i) => {
    inner.define(value, context.ref(node.inputs[i]!));
  });
  inner.lowerNodes(inner);
  return body.outputs.map(({ value }) => inner.ref(value));
};

export const controlRules = { scan, call } satisfies { readonly [P in OpName]?: Rule<P> };
