/** @file How a module says where its tensors lie: in the notation of one of XLA's two partitioners. */
import type { Partitioner, Sharding } from "../executor.ts";

/** Devices that share a module, and who divides it among them. */
export interface Spread {
  readonly partitions: number;
  readonly partitioner: Partitioner;
}

/** The only axis of the only mesh: all devices in a row. */
export const MESH_AXIS = "device";
const MESH = "mesh";

/** What a module says before its functions. */
export function meshLines({ partitions, partitioner }: Spread): readonly string[] {
  return partitions > 1 && partitioner === "shardy" ? [`  sdy.mesh @${MESH} = <["${MESH_AXIS}"=${partitions}]>`] : [];
}

/** Shardy's: `<@mesh, [{"device"}, {}]>`. Axes are closed: nothing else may be cut. */
export function meshSharding(sharding: Sharding, rank: number): string {
  const axes = Array.from({ length: rank }, (_, axis) =>
    sharding !== "replicated" && axis === sharding.axis ? `{"${MESH_AXIS}"}` : "{}",
  );
  return `<@${MESH}, [${axes.join(", ")}]>`;
}

/** GSPMD's: `{devices=[2,1]<=[2]}`. */
function tiling(sharding: Sharding, rank: number, partitions: number): string {
  if (sharding === "replicated") return "{replicated}";
  const parts = Array.from({ length: rank }, (_, axis) => (axis === sharding.axis ? partitions : 1));
  return `{devices=[${parts.join(",")}]<=[${partitions}]}`;
}

/** The attribute of an argument or result. */
export function shardingText(sharding: Sharding, rank: number, { partitions, partitioner }: Spread): string {
  return partitioner === "shardy"
    ? `sdy.sharding = #sdy.sharding${meshSharding(sharding, rank)}`
    : `mhlo.sharding = "${tiling(sharding, rank, partitions)}"`;
}
