import { GraphBuilder } from "../ir/builder.ts";
import type { Node, Value } from "../ir/graph.ts";
import { replay } from "../tensor/inline.ts";
import { Tensor } from "../tensor/tensor.ts";
import { currentBuilder, emit, withBuilder } from "../tensor/trace.ts";
import { add, zeros } from "./ops.ts";
import type { VjpRule } from "./rule.ts";

const symbol = (builder: GraphBuilder, name: string, value: { dtype: Value["dtype"]; shape: readonly number[] }) =>
  new Tensor(builder.input(name, value.dtype, value.shape));

/**
 * The reverse of a scan is a scan in the other direction. Its carries are the cotangents of the forward carries
 * and the sums for the constants. What it needs of the forward pass is either a forward operand (given again)
 * or an inner value, which the forward scan is extended to stack: nothing is computed twice.
 */
export const scanRule: VjpRule<"scan"> = ({ node, params, inputs, cotangents, wanted, backpropagate }) => {
  const { body, numConsts, numCarries, length } = params;
  const bodyInputs = body.inputs.map(({ value }) => value);
  const isFloatInput = bodyInputs.map(
    (value) => value.dtype !== "i32" && value.dtype !== "u32" && value.dtype !== "bool",
  );

  // 1. The body and its gradient in one scratch trace.
  const scratch = new GraphBuilder("scan.gradient");
  const known = new Map<Value, Value>(
    body.inputs.map(({ name, value }) => [value, scratch.input(name, value.dtype, value.shape)] as const),
  );
  const outputCotangents: (Tensor | undefined)[] = [];
  let forward: readonly Node[] = [];
  const gradients = withBuilder(scratch, () => {
    replay(body.nodes, known);
    forward = [...scratch.nodes];
    const seeds = new Map<Value, Tensor>();
    body.outputs.forEach(({ name, value }, i) => {
      // A carry receives cotangents from the next step even when its last value is not used.
      const wantsCarry = i < numCarries && isFloatInput[numConsts + i];
      const seed = wantsCarry || cotangents[i] !== undefined ? symbol(scratch, `d.${name}.${i}`, value) : undefined;
      outputCotangents.push(seed);
      if (seed === undefined) return;
      const inner = known.get(value)!;
      const before = seeds.get(inner);
      seeds.set(inner, before === undefined ? seed : add(before, seed));
    });
    return backpropagate(
      [...scratch.nodes],
      seeds,
      bodyInputs.map((value) => known.get(value)!),
    );
  });

  // 2. Which operands get a gradient: constants and sequences that are wanted, and every float carry.
  const carried = bodyInputs.map((_, i) => i >= numConsts && i < numConsts + numCarries);
  const used = gradients.map((gradient, i) => {
    if (carried[i]) return isFloatInput[i]!;
    return gradient !== undefined && wanted[i]!;
  });

  // 3. Forward values that the gradient reads.
  const made = new Map<Value, Node>();
  for (const item of forward) for (const value of item.outputs) made.set(value, item);
  const original = new Map([...known].map(([outer, inner]) => [inner, outer] as const));
  const results = gradients.flatMap((gradient, i) =>
    used[i] && gradient !== undefined ? [{ name: `${i}`, value: gradient.value }] : [],
  );
  const backward = scratch.finish(results).nodes.filter((item) => !forward.includes(item));
  const read = new Set<Value>([...backward.flatMap((item) => item.inputs), ...results.map(({ value }) => value)]);
  const cheap: Node[] = forward.filter(
    (item) => item.inputs.length === 0 && item.outputs.some((value) => read.has(value)),
  );
  const residuals = [...read].filter((value) => {
    const maker = made.get(value);
    const position = bodyInputs.findIndex((input) => known.get(input) === value);
    return maker === undefined ? carried[position] === true : maker.inputs.length > 0;
  });

  // 4. The forward scan stacks the inner values among them.
  const extended = {
    ...body,
    outputs: [
      ...body.outputs,
      ...residuals.map((value, i) => ({ name: `residual.${body.outputs.length + i}`, value: original.get(value)! })),
    ],
  };
  const stacked = currentBuilder()
    .extendScan(node, extended, residuals)
    .map((value) => new Tensor(value));

  // 5. The scan back.
  const constIndices = bodyInputs.flatMap((_, i) => (i < numConsts && used[i] ? [i] : []));
  const sequenceIndices = bodyInputs.flatMap((_, i) => (i >= numConsts + numCarries && used[i] ? [i] : []));
  const carryIndices = bodyInputs.flatMap((_, i) => (carried[i] && used[i] ? [i] : []));
  const outputIndices = body.outputs.flatMap((_, i) =>
    i >= numCarries && outputCotangents[i] !== undefined ? [i] : [],
  );
  const readInputs = bodyInputs.flatMap((value, i) => (!carried[i] && read.has(known.get(value)!) ? [i] : []));
  const readConsts = readInputs.filter((i) => i < numConsts);
  const readSequences = readInputs.filter((i) => i >= numConsts);

  const builder = new GraphBuilder("scan.reverse");
  const local = new Map<Value, Value>();
  const bind = (inner: Value, name: string): void => {
    local.set(inner, builder.input(name, inner.dtype, inner.shape));
  };
  for (const i of readConsts) bind(known.get(bodyInputs[i]!)!, `const.${i}`);
  for (const i of carryIndices) bind(outputCotangents[i - numConsts]!.value, `d.carry.${i}`);
  const sums = constIndices.map((i) => symbol(builder, `sum.${i}`, bodyInputs[i]!));
  for (const i of outputIndices) bind(outputCotangents[i]!.value, `d.output.${i}`);
  for (const i of readSequences) bind(known.get(bodyInputs[i]!)!, `sequence.${i}`);
  residuals.forEach((value, i) => {
    bind(value, `residual.${i}`);
  });
  const graph = withBuilder(builder, () => {
    replay([...cheap, ...backward], local);
    const localGradient = (i: number): Tensor => {
      const gradient = gradients[i];
      if (gradient === undefined) return zeros(bodyInputs[i]!.shape, bodyInputs[i]!.dtype);
      return new Tensor(local.get(gradient.value)!);
    };
    const results = [
      ...carryIndices.map(localGradient),
      ...constIndices.map((i, k) => add(sums[k]!, localGradient(i))),
      ...sequenceIndices.map(localGradient),
    ];
    return builder.finish(results.map(({ value }, i) => ({ name: `${i}`, value })));
  });
  const zerosFor = (i: number): Tensor => zeros(bodyInputs[i]!.shape, bodyInputs[i]!.dtype);
  const reversed = emit(
    "scan",
    [
      ...readConsts.map((i) => inputs[i]!),
      ...carryIndices.map((i) => cotangents[i - numConsts] ?? zerosFor(i)),
      ...constIndices.map(zerosFor),
      ...outputIndices.map((i) => cotangents[i]!),
      ...readSequences.map((i) => inputs[i]!),
      ...stacked,
    ],
    {
      body: graph,
      numConsts: readConsts.length,
      numCarries: carryIndices.length + constIndices.length,
      length,
      reverse: !params.reverse,
    },
  );

  const order = [...carryIndices, ...constIndices, ...sequenceIndices];
  return bodyInputs.map((_, i) => {
    const at = order.indexOf(i);
    return at === -1 || !wanted[i] ? undefined : reversed[at]!;
  });
};
