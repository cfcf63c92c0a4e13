/** @file Tensors cut into equal parts along one axis, in host memory. */
import { BackendError } from "../../../base/errors.ts";
import { allocateHostData, type DType, type HostData, type TensorType } from "../../../ir/dtype.ts";
import type { Sharding } from "../executor.ts";

/** The shape of every part. @throws {BackendError} SHARDING_UNEVEN */
export function shardShape({ shape }: TensorType, sharding: Sharding, parts: number): readonly number[] {
  if (sharding === "replicated") return shape;
  const { axis } = sharding;
  const size = shape[axis];
  if (size === undefined || size % parts !== 0) {
    throw new BackendError(
      `a tensor is cut along an axis whose size the ${parts} devices divide; [${shape}] has ${size ?? "none"} at axis ${axis}. Pad it.`,
      { code: "SHARDING_UNEVEN", path: "xla" },
    );
  }
  return shape.map((length, i) => (i === axis ? length / parts : length));
}

/** How a part lies in the whole: `rows` pieces of `width` elements, one every `parts · width`. */
function pieces(shape: readonly number[], axis: number, parts: number): { rows: number; width: number } {
  const product = (sizes: readonly number[]): number => sizes.reduce((all, size) => all * size, 1);
  return { rows: product(shape.slice(0, axis)), width: product(shape.slice(axis)) / parts };
}

/** Part number `index`. Parts along the first axis are views. */
export function shardOf(data: HostData, type: TensorType, axis: number, parts: number, index: number): HostData {
  const { rows, width } = pieces(type.shape, axis, parts);
  if (rows === 1) return data.subarray(index * width, (index + 1) * width);
  const part = allocateHostData(type.dtype, rows * width);
  for (let row = 0; row < rows; row++) {
    const from = (row * parts + index) * width;
    part.set(data.subarray(from, from + width), row * width);
  }
  return part;
}

/** The whole, from its parts in order. */
export function joinShards(
  shards: readonly HostData[],
  dtype: DType,
  shape: readonly number[],
  axis: number,
): HostData {
  const parts = shards.length;
  const { rows, width } = pieces(shape, axis, parts);
  const whole = allocateHostData(dtype, rows * width * parts);
  shards.forEach((shard, index) => {
    for (let row = 0; row < rows; row++) {
      whole.set(shard.subarray(row * width, (row + 1) * width), (row * parts + index) * width);
    }
  });
  return whole;
}
