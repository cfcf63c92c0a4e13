import type { Backend } from "../../src/backend/backend.ts";
import { evaluateGraph } from "../../src/backend/reference/evaluate.ts";
import type { HostTensor } from "../../src/ir/dtype.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { formatType } from "../../src/ir/shape.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { decompose } from "../../src/tensor/decompose/decompose.ts";
import { difference, slackOf } from "./tolerance.ts";

export interface ExecuteOptions {
  /** Expand even the composites that the engine would fuse. */
  readonly primitivesOnly?: boolean;
}

/** Compiles, runs once and reads the results of a graph with composites. */
export async function execute(
  backend: Backend,
  graph: Graph,
  inputs: readonly HostTensor[],
  options: ExecuteOptions = {},
): Promise<HostTensor[]> {
  const ready = decompose(graph, (node) => options.primitivesOnly !== true && backend.fuses(node));
  verifyGraph(ready);
  const executable = await backend.compile(ready);
  const given = inputs.map((tensor) => {
    const buffer = backend.allocate(tensor);
    buffer.write(tensor.data);
    return buffer;
  });
  const taken = graph.outputs.map(({ value }) => backend.allocate(value));
  try {
    await executable.run(given, taken);
    return await Promise.all(
      taken.map(async (buffer) => ({ dtype: buffer.dtype, shape: buffer.shape, data: await buffer.read() })),
    );
  } finally {
    for (const buffer of [...given, ...taken]) buffer.dispose();
    await executable.dispose();
  }
}

/** The same results in double precision from the interpreter. */
export function expected(graph: Graph, inputs: readonly HostTensor[]): HostTensor[] {
  return evaluateGraph(decompose(graph), inputs);
}

/** What differs between an engine's results and the interpreter's, in words. */
export async function disagreements(
  backend: Backend,
  graph: Graph,
  inputs: readonly HostTensor[],
  options: ExecuteOptions = {},
): Promise<string[]> {
  const wanted = expected(graph, inputs);
  let actual: HostTensor[];
  try {
    actual = await execute(backend, graph, inputs, options);
  } catch (error) {
    return [`${graph.name}: ${error instanceof Error ? error.message : String(error)}`];
  }
  return graph.outputs.flatMap(({ name, value }, i) => {
    const found = difference(value.dtype, actual[i]!.data, wanted[i]!.data, slackOf[backend.name]);
    return found === undefined ? [] : [`${graph.name}, ${name} ${formatType(value)}: ${found}`];
  });
}
