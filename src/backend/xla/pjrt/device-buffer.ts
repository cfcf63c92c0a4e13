/** @file One device's part of a tensor. */
import { BackendError } from "../../../base/errors.ts";
import { type DType, dtypeBytes, type HostData, viewHostData } from "../../../ir/dtype.ts";
import { nativeStruct } from "./api.ts";
import { memoryLayoutLayout, TILED_BYTES } from "./api-table.ts";
import type { Owned, PjrtClient, PjrtDevice } from "./client.ts";
import { memoryFailure } from "./error.ts";
import { forget, settled } from "./event.ts";
import type { Address } from "./native.ts";

/** `PJRT_Buffer_Type` of what Firth computes with. */
export const bufferTypes: Readonly<Record<DType, number>> = {
  bool: 1,
  i8: 2,
  i32: 4,
  u32: 8,
  f16: 10,
  f32: 11,
  f64: 12,
  bf16: 13,
};

/** The plugin has copied the data when the call returns. */
const ONLY_DURING_CALL = 0;

/** Numbers as native code takes them. */
function int64List(values: readonly number[]): BigInt64Array<ArrayBuffer> {
  const list = new BigInt64Array(new ArrayBuffer(8 * values.length));
  values.forEach((value, i) => {
    list[i] = BigInt(value);
  });
  return list;
}

/** A buffer of a plugin; freed once nobody uses it. */
export class DeviceBuffer implements Owned {
  readonly client: PjrtClient;
  readonly device: PjrtDevice;
  private handle: Address;
  private users = 0;
  private isWanted = true;

  constructor(client: PjrtClient, device: PjrtDevice, handle: Address) {
    this.client = client;
    this.device = device;
    this.handle = handle;
    client.own(this);
  }

  /**
   * Copies host data to a device.
   * @throws {BackendError} OUT_OF_MEMORY; {PjrtFailure}
   */
  static upload(
    client: PjrtClient,
    device: PjrtDevice,
    data: HostData,
    dtype: DType,
    shape: readonly number[],
  ): DeviceBuffer {
    const { api } = client;
    const dims = int64List(shape);
    try {
      const { buffer, doneWithHostBuffer } = api.call(
        "Client_BufferFromHostBuffer",
        {
          client: client.address,
          data:
            data.byteLength === 0
              ? api.native.addressOf(emptyData)
              : api.native.addressOf(data.buffer, data.byteOffset),
          type: bufferTypes[dtype],
          dims: api.native.addressOf(dims.buffer),
          numDims: shape.length,
          hostBufferSemantics: ONLY_DURING_CALL,
          device: device.address,
        },
        dims.buffer,
        data.buffer,
      );
      forget(api, doneWithHostBuffer);
      return new DeviceBuffer(client, device, buffer);
    } catch (error) {
      throw memoryFailure(error, `an upload of ${dtype}[${shape}]`, () => client.memory(device));
    }
  }

  /** Copies the contents out, in row-major order. @throws what the program that makes the buffer failed with */
  async read(dtype: DType, shape: readonly number[]): Promise<HostData> {
    const { api } = this.client;
    const length = shape.reduce((product, size) => product * size, 1);
    const target = new ArrayBuffer(length * dtypeBytes[dtype]);
    // A compiler may have laid the dimensions out in another order.
    const order = int64List(shape.map((_, i) => shape.length - 1 - i));
    const layout = nativeStruct(api.native, memoryLayoutLayout, {
      tiledSize: TILED_BYTES,
      minorToMajor: api.native.addressOf(order.buffer),
      minorToMajorSize: shape.length,
    });
    await this.using(async (source) => {
      if (length === 0) return;
      const data = api.native.addressOf(target);
      const { event } = api.call(
        "Buffer_ToHostBuffer",
        {
          source,
          hostLayout: layout.address,
          data,
          dataSize: target.byteLength,
        },
        layout,
        order.buffer,
        target,
      );
      await settled(api, event);
    });
    return viewHostData(dtype, target, 0, length);
  }

  /** A copy on another device. */
  copyTo(device: PjrtDevice): DeviceBuffer {
    const { api } = this.client;
    const { target } = api.call("Buffer_CopyToDevice", { buffer: this.address, targetDevice: device.address });
    return new DeviceBuffer(this.client, device, target);
  }

  /** @throws {BackendError} ARRAY_DISPOSED */
  get address(): Address {
    this.client.requireOpen();
    if (this.handle !== 0 && this.isWanted) return this.handle;
    throw new BackendError("an array is used that was disposed of or donated. Keep the array that took its place.", {
      code: "ARRAY_DISPOSED",
      path: "xla",
    });
  }

  /** Keeps the buffer while work with it is under way, whoever disposes of it meanwhile. */
  async using<T>(work: (address: Address) => Promise<T>): Promise<T> {
    const address = this.hold();
    try {
      return await this.client.during(work(address));
    } finally {
      this.release();
    }
  }

  /** Keeps the buffer until `release`. @throws {BackendError} ARRAY_DISPOSED, PJRT_CLOSED */
  hold(): Address {
    const { address } = this;
    this.users++;
    return address;
  }

  release(): void {
    this.users--;
    if (this.users === 0 && !this.isWanted) this.free();
  }

  /** Gives the buffer up; again does nothing. */
  dispose(): void {
    this.isWanted = false;
    if (this.users === 0) this.free();
  }

  free(): void {
    if (this.handle === 0) return;
    const buffer = this.handle;
    this.handle = 0;
    this.isWanted = false;
    this.client.disown(this);
    this.client.api.destroy("Buffer_Destroy", buffer);
  }
}

/** Something to point at where there is nothing to copy. */
const emptyData = new ArrayBuffer(8);
