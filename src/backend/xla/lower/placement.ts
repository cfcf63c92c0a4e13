/** @file Where the tensors of a module lie, and whose memory results take. */
import { BackendError } from "../../../base/errors.ts";
import type { NamedValue } from "../../../ir/graph.ts";
import { formatType, sameType } from "../../../ir/shape.ts";
import type { Partitioning, Sharding } from "../../backend.ts";

function refuse(code: "SHARDING_INVALID" | "DONATION_INVALID", message: string): never {
  throw new BackendError(message, { code, path: "xla.compile" });
}

function requireNames(
  names: Iterable<string>,
  known: readonly NamedValue[],
  code: Parameters<typeof refuse>[0],
  what: string,
): void {
  const all = new Set(known.map(({ name }) => name));
  const strange = [...names].filter((name) => !all.has(name));
  if (strange.length > 0) refuse(code, `the graph has no ${what} called ${strange.join(", ")}.`);
}

/**
 * The sharding of each value, in order.
 * @throws {BackendError} SHARDING_INVALID where a name is not known, or an axis cannot be cut into equal parts
 */
export function shardingsOf(
  values: readonly NamedValue[],
  what: "input" | "output",
  partitions: number,
  given: ReadonlyMap<string, Sharding> = new Map(),
): Sharding[] {
  requireNames(given.keys(), values, "SHARDING_INVALID", what);
  return values.map(({ name, value }) => {
    const sharding = given.get(name) ?? "replicated";
    if (sharding === "replicated") return sharding;
    const size = value.shape[sharding.axis];
    if (size === undefined || size % partitions !== 0) {
      const rule = `axis ${sharding.axis} of ${what} ${name} must be there and divide into ${partitions} equal parts`;
      refuse("SHARDING_INVALID", `${rule}; got ${formatType(value)}.`);
    }
    return sharding;
  });
}

export interface PlacedValues {
  readonly inputs: readonly Sharding[];
  readonly outputs: readonly Sharding[];
}

export function placed(
  inputs: readonly NamedValue[],
  outputs: readonly NamedValue[],
  partitioning: Partitioning,
): PlacedValues {
  const { partitions } = partitioning;
  if (!Number.isInteger(partitions) || partitions < 1) {
    refuse("SHARDING_INVALID", `partitions must be a whole number of at least 1; got ${partitions}.`);
  }
  return {
    inputs: shardingsOf(inputs, "input", partitions, partitioning.inputs),
    outputs: shardingsOf(outputs, "output", partitions, partitioning.outputs),
  };
}

const sameSharding = (a: Sharding, b: Sharding): boolean =>
  a === b || (a !== "replicated" && b !== "replicated" && a.axis === b.axis);

/**
 * For each input that is donated, the place of the output that takes its memory.
 * @throws {BackendError} DONATION_INVALID where a name is not known, types or shardings differ, or an output is given twice
 */
export function donationsOf(
  inputs: readonly NamedValue[],
  outputs: readonly NamedValue[],
  places: PlacedValues,
  donations: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<number, number> {
  requireNames(donations.keys(), inputs, "DONATION_INVALID", "input");
  requireNames(donations.values(), outputs, "DONATION_INVALID", "output");
  const byInput = new Map<number, number>();
  const taken = new Map<number, string>();
  inputs.forEach(({ name, value }, i) => {
    const target = donations.get(name);
    if (target === undefined) return;
    const place = outputs.findIndex((output) => output.name === target);
    const other = taken.get(place);
    if (other !== undefined)
      refuse("DONATION_INVALID", `output ${target} cannot take the memory of ${other} and ${name}.`);
    const result = outputs[place]!.value;
    if (!sameType(value, result) || !sameSharding(places.inputs[i]!, places.outputs[place]!)) {
      const types = `${formatType(value)} and ${formatType(result)}`;
      refuse("DONATION_INVALID", `input ${name} and output ${target} must have one type and sharding; got ${types}.`);
    }
    taken.set(place, name);
    byInput.set(i, place);
  });
  return byInput;
}
