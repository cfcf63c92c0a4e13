/**
 * @file A piece of a spread program that each device does by itself on its part of the batch: what XLA's partitioners do not
 * know how to divide. GSPMD is told by calls around the piece, which it takes out; Shardy by a region.
 */
import { type Shape, tensorType } from "../../../ir/shape.ts";
import type { Sharding } from "../executor.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { MESH_AXIS, meshSharding, type Spread, shardingText } from "./sharding-text.ts";
import { signatureText, typesText, typeText } from "./type-text.ts";

/** Emits what each device does, given its parts, by the emitter that it is given. */
export type OnParts = (emitter: Emitter, parts: readonly Ref[]) => readonly Ref[];

const MANUAL = 'mhlo.sharding = "{manual}"';

/** Along the first axis; whole on every device where that axis is 1, as of a bias for all rows. */
const batchSharding = ([size]: Shape): Sharding => (size === 1 ? "replicated" : { axis: 0 });

/** The shape of a device's part. */
const partShape = (shape: Shape, partitions: number): Shape =>
  batchSharding(shape) === "replicated" ? shape : [shape[0]! / partitions, ...shape.slice(1)];

/** The shape of what parts of the batch make together. */
const wholeShape = ([size, ...rest]: Shape, partitions: number): Shape => [size! * partitions, ...rest];

function marker(emitter: Emitter, target: string, sharding: string, x: Ref, shape: Shape): Ref {
  const type = tensorType(x.dtype, shape);
  const text = `stablehlo.custom_call @${target}(${x.name}) {backend_config = "", ${sharding}}`;
  return emitter.emit("shard", `${text} : ${signatureText([x], [type])}`, type);
}

function betweenCalls(emitter: Emitter, spread: Spread, operands: readonly Ref[], run: OnParts): Ref[] {
  const { partitions } = spread;
  const parts = operands.map((x) => {
    const sharding = shardingText(batchSharding(x.shape), x.shape.length, spread);
    const placed = marker(emitter, "Sharding", sharding, x, x.shape);
    return marker(emitter, "SPMDFullToShardShape", MANUAL, placed, partShape(x.shape, partitions));
  });
  return run(emitter, parts).map((x) => {
    const held = marker(emitter, "Sharding", MANUAL, x, x.shape);
    const sharding = shardingText({ axis: 0 }, x.shape.length, spread);
    return marker(emitter, "SPMDShardToFullShape", sharding, held, wholeShape(x.shape, partitions));
  });
}

function inRegion(emitter: Emitter, { partitions }: Spread, operands: readonly Ref[], run: OnParts): Ref[] {
  const block = emitter.block();
  const parts = operands.map(({ dtype, shape }): Ref => {
    const name = `%${emitter.names.numbered("part")}`;
    return { name, ...tensorType(dtype, partShape(shape, partitions)) };
  });
  const results = run(block, parts);
  const wholes = results.map(({ dtype, shape }) => tensorType(dtype, wholeShape(shape, partitions)));
  const given = operands.map(({ shape }) => meshSharding(batchSharding(shape), shape.length));
  const made = wholes.map(({ shape }) => meshSharding({ axis: 0 }, shape.length));
  const shardings = `in_shardings=[${given.join(", ")}] out_shardings=[${made.join(", ")}]`;
  const text = [
    `sdy.manual_computation(${operands.map(({ name }) => name).join(", ")}) ${shardings} manual_axes={"${MESH_AXIS}"} (${parts.map((part) => `${part.name}: ${typeText(part)}`).join(", ")}) {`,
    emitter.region(block, results, "sdy.return"),
    `${emitter.margin}} : (${typesText(operands)}) -> (${typesText(wholes)})`,
  ].join("\n");
  return emitter.emitSeveral("shard", text, wholes);
}

/** Results of the whole batch, each cut along its first axis; of operands that are cut so or, with one row, on every device. */
export function onParts(emitter: Emitter, spread: Spread, operands: readonly Ref[], run: OnParts): Ref[] {
  if (spread.partitions === 1) return [...run(emitter, operands)];
  return (spread.partitioner === "shardy" ? inRegion : betweenCalls)(emitter, spread, operands, run);
}
