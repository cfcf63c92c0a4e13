import type { Node, Value } from "../graph.ts";

/** Operations whose result is uniform with their operand's number. */
const carriers = new Set(["broadcast", "reshape", "transpose", "slice"]);

/** The one number that every element of a value is, seen through what only moves or repeats; undefined if unknown. */
export function uniformOf(value: Value, producer: (value: Value) => Node | undefined): number | undefined {
  let node = producer(value);
  while (node !== undefined && carriers.has(node.op)) node = producer(node.inputs[0]!);
  if (node?.op !== "constant") return undefined;
  const { data, dtype } = node.params;
  // Half floats are held as raw bits.
  if (dtype === "bf16" || dtype === "f16" || data.length === 0) return undefined;
  const [first] = data;
  return data.every((x: number) => Object.is(x, first)) ? first : undefined;
}
