/**
 * @file A piece of a spread program that each device does by itself on its part of the batch: what XLA's partitioner does not
 * know how to divide. These calls are understood by GSPMD, which takes them out.
 */
import { type Shape, tensorType } from "../../../ir/shape.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { shardingText } from "./placement.ts";
import { signatureText } from "./type-text.ts";

const MANUAL = 'mhlo.sharding = "{manual}"';

function marker(emitter: Emitter, target: string, sharding: string, x: Ref, shape: Shape): Ref {
  const type = tensorType(x.dtype, shape);
  const text = `stablehlo.custom_call @${target}(${x.name}) {backend_config = "", ${sharding}}`;
  return emitter.emit("shard", `${text} : ${signatureText([x], [type])}`, type);
}

/** Along the first axis; whole on every device where that axis is 1, as of a bias for all rows. */
const batchSharding = (size: number): "replicated" | { readonly axis: number } =>
  size === 1 ? "replicated" : { axis: 0 };

/** The part of a tensor that lies on the device. */
export function partOf(emitter: Emitter, x: Ref, partitions: number): Ref {
  const [size, ...rest] = x.shape as [number, ...number[]];
  const sharding = batchSharding(size);
  const placed = marker(emitter, "Sharding", shardingText(sharding, x.shape.length, partitions), x, x.shape);
  const part = sharding === "replicated" ? size : size / partitions;
  return marker(emitter, "SPMDFullToShardShape", MANUAL, placed, [part, ...rest]);
}

/** The tensor whose parts lie on the devices, cut along its first axis. */
export function wholeOf(emitter: Emitter, x: Ref, partitions: number): Ref {
  const [size, ...rest] = x.shape as [number, ...number[]];
  const held = marker(emitter, "Sharding", MANUAL, x, x.shape);
  const sharding = shardingText({ axis: 0 }, x.shape.length, partitions);
  return marker(emitter, "SPMDShardToFullShape", sharding, held, [size * partitions, ...rest]);
}
