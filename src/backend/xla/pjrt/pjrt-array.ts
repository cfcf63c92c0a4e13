/** @file Tensors on the devices of a plugin. */
import { BackendError } from "../../../base/errors.ts";
import { allocateHostData, type DType, type HostData, type TensorType } from "../../../ir/dtype.ts";
import { formatType, sizeOf } from "../../../ir/shape.ts";
import type { DeviceArray, Sharding } from "../executor.ts";
import type { PjrtClient, PjrtDevice } from "./client.ts";
import { DeviceBuffer } from "./device-buffer.ts";
import { failureOf, memoryFailure } from "./error.ts";
import { joinShards, shardOf, shardShape } from "./shard.ts";

/** A tensor as one buffer a device. */
export class PjrtArray implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sharding: Sharding;
  private buffers: DeviceBuffer[];

  constructor(type: TensorType, sharding: Sharding, buffers: readonly DeviceBuffer[]) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.sharding = sharding;
    this.buffers = [...buffers];
  }

  /**
   * Copies host data to devices.
   * @throws {BackendError} UPLOAD_LENGTH, SHARDING_UNEVEN, OUT_OF_MEMORY
   */
  static upload(
    client: PjrtClient,
    devices: readonly PjrtDevice[],
    data: HostData,
    type: TensorType,
    sharding: Sharding,
  ): PjrtArray {
    client.requireOpen();
    const expected = sizeOf(type.shape);
    if (data.length !== expected || data.constructor !== allocateHostData(type.dtype, 0).constructor) {
      throw new BackendError(
        `data for ${formatType(type)} have ${expected} elements of their kind of array; got ${data.length} in a ${data.constructor.name}.`,
        { code: "UPLOAD_LENGTH", path: "xla" },
      );
    }
    const shape = shardShape(type, sharding, devices.length);
    const buffers: DeviceBuffer[] = [];
    try {
      devices.forEach((device, i) => {
        const part = sharding === "replicated" ? data : shardOf(data, type, sharding.axis, devices.length, i);
        buffers.push(DeviceBuffer.upload(client, device, part, type.dtype, shape));
      });
    } catch (error) {
      for (const buffer of buffers) buffer.dispose();
      throw error;
    }
    return new PjrtArray(type, sharding, buffers);
  }

  get client(): PjrtClient | undefined {
    return this.buffers[0]?.client;
  }

  /** One buffer for each of the first `count` devices; copies of a whole tensor are made where they are wanting. */
  on(devices: readonly PjrtDevice[]): readonly DeviceBuffer[] {
    const [first] = this.buffers;
    if (first === undefined) throw disposed();
    if (this.buffers.length === devices.length) return this.buffers;
    if (this.sharding === "replicated") {
      for (const device of devices.slice(this.buffers.length)) this.buffers.push(first.copyTo(device));
    }
    return this.buffers.slice(0, devices.length);
  }

  async read(): Promise<HostData> {
    const [first] = this.buffers;
    if (first === undefined) throw disposed();
    const { dtype, sharding } = this;
    try {
      if (sharding === "replicated") return await first.read(dtype, this.shape);
      const shape = shardShape(this, sharding, this.buffers.length);
      const parts = await Promise.all(this.buffers.map((buffer) => buffer.read(dtype, shape)));
      return parts.length === 1 ? parts[0]! : joinShards(parts, dtype, this.shape, sharding.axis);
    } catch (error) {
      const failure = memoryFailure(error, `reading ${formatType(this)}`, () => first.client.memory(first.device));
      throw failureOf(
        failure,
        "XLA_RUN_FAILED",
        `${formatType(this)} could not be made`,
        "See the program that makes it.",
      );
    }
  }

  dispose(): void {
    const { buffers } = this;
    this.buffers = [];
    for (const buffer of buffers) buffer.dispose();
  }
}

function disposed(): BackendError {
  return new BackendError("an array is used that was disposed of or donated. Keep the array that took its place.", {
    code: "ARRAY_DISPOSED",
    path: "xla",
  });
}
