import type { NodeOf } from "../../../ir/graph.ts";
import type { OnnxGraph } from "../proto/model.ts";
import type { LowerContext, Rule } from "./context.ts";
import type { Ref } from "./emitter.ts";

interface Body {
  readonly graph: OnnxGraph;
  readonly outputs: readonly Ref[];
}

/** The loop's body: constants are read from the enclosing graph by name, everything else is an input. */
function lowerBody(context: LowerContext, node: NodeOf<"scan">, driver: Ref | undefined): Body {
  const { body, numConsts } = node.params;
  const inner = context.nested(body);
  const { emitter } = inner;
  emitter.label = context.emitter.label;
  const parameters: Ref[] = [];
  body.inputs.forEach(({ value }, i) => {
    if (i < numConsts) {
      inner.define(value, context.ref(node.inputs[i]!));
      return;
    }
    const parameter = { name: emitter.freshName("parameter"), dtype: value.dtype, shape: value.shape };
    parameters.push(parameter);
    inner.define(value, parameter);
  });
  if (driver !== undefined) parameters.push({ name: emitter.freshName("unused"), dtype: driver.dtype, shape: [] });
  context.lowerNodes(inner);
  // ONNX wants every result of a body to be made in it, and named once.
  const outputs = body.outputs.map(({ value }) => emitter.op("Identity", [inner.ref(value)], inner.ref(value)));
  const graph = {
    name: body.name,
    nodes: emitter.needed(outputs.map(({ name }) => name)),
    inputs: parameters,
    outputs,
  };
  return { graph, outputs };
}

/** A loop over the leading axis as ONNX `Scan`; a loop without sequences counts over an index range instead. */
export const scan: Rule<"scan"> = (context, node) => {
  const { emitter } = context;
  const { numConsts, numCarries, length, reverse } = node.params;
  const operands = node.inputs.slice(numConsts).map((value) => context.ref(value));
  const hasSequence = operands.length > numCarries;
  const driver = hasSequence ? undefined : emitter.constant("i32", [length], new Int32Array(length));
  const { graph } = lowerBody(context, node, driver);
  const sequences = operands.length - numCarries + (hasSequence ? 0 : 1);
  const stacked = node.outputs.length - numCarries;
  const direction = reverse ? 1 : 0;
  return emitter.multi(
    "Scan",
    driver === undefined ? operands : [...operands, driver],
    node.outputs.map(({ dtype, shape }) => ({ dtype, shape })),
    {
      body: { graph },
      num_scan_inputs: { int: sequences },
      ...(sequences > 0 ? { scan_input_directions: { ints: new Array<number>(sequences).fill(direction) } } : {}),
      ...(stacked > 0 ? { scan_output_directions: { ints: new Array<number>(stacked).fill(direction) } } : {}),
    },
  );
};
