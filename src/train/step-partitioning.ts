/**
 * @file How a step's tensors lie where several devices share it: data parallel, with the optimizer's state divided.
 *
 * A graph means the same on one device and on several: every index is one of the whole tensor, and sums are sums over all
 * rows. What is cut is rows of the batch and its lists of places, each into equal parts; weights are on every device. State
 * and accumulated gradients, which nothing but the update reads, are cut along an axis that divides, and so is the update
 * with them: every device moves its part of a weight, and gives it to the others.
 * @source Rajbhandari et al. 2020, arXiv:1910.02054 (stages 1 and 2); Xu et al. 2021, arXiv:2105.04663
 */
import type { Partitioning, Sharding } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import type { Graph, NamedValue } from "../ir/graph.ts";

export interface StepDivision {
  readonly devices: number;
  /** Whether optimizer state and accumulated gradients are cut, too. */
  readonly cutsState: boolean;
}

/** Along the first axis that divides into equal parts. */
export function stateSharding(shape: readonly number[], { devices, cutsState }: StepDivision): Sharding {
  const axis = cutsState ? shape.findIndex((size) => size > 0 && size % devices === 0) : -1;
  return axis < 0 ? "replicated" : { axis };
}

/** How a section of a parameter lies. */
export function sectionSharding(section: string, shape: readonly number[], division: StepDivision): Sharding {
  return section === "value" ? "replicated" : stateSharding(shape, division);
}

const batchSharding = (shape: readonly number[], devices: number): Sharding =>
  shape.length > 0 && shape[0]! > 0 && shape[0]! % devices === 0 ? { axis: 0 } : "replicated";

/** The section that an input or output is of: `state.m.<name>`, `next.v.<name>`, `gradient.<name>`, `previous.<name>`. */
function sectionOf(name: string): string | undefined {
  const [kind, second] = name.split(".", 2);
  if (kind === "state" || kind === "next") return second;
  return kind === "gradient" || kind === "previous" ? "gradient" : undefined;
}

/** Where the inputs and outputs of a step's graph lie; its batch has rows that divide. */
export function stepPartitioning(graph: Graph, division: StepDivision): Partitioning {
  const shardingOf = ({ name, value: { shape } }: NamedValue): Sharding => {
    if (name.startsWith("batch.")) return batchSharding(shape, division.devices);
    const section = sectionOf(name);
    return section === undefined ? "replicated" : sectionSharding(section, shape, division);
  };
  const cut = (values: readonly NamedValue[]): ReadonlyMap<string, Sharding> =>
    new Map(
      values.flatMap((value): [string, Sharding][] => {
        const sharding = shardingOf(value);
        return sharding === "replicated" ? [] : [[value.name, sharding]];
      }),
    );
  return { partitions: division.devices, inputs: cut(graph.inputs), outputs: cut(graph.outputs) };
}

/** Whether devices share the rows of a batch. */
export function isCut(batch: Batch, division: StepDivision | undefined): boolean {
  if (division === undefined) return false;
  return Object.values(batch.tensors).some(({ shape }) => batchSharding(shape, division.devices) !== "replicated");
}
