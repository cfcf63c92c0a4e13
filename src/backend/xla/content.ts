/** @file What a buffer holds: an array on the devices that several may hold at once, and that the last one frees. */
import { BackendError } from "../../base/errors.ts";
import { allocateHostData, type HostData, type TensorType } from "../../ir/dtype.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import type { DeviceArray, Sharding, XlaExecutor } from "./executor.ts";

/** A tensor type with how it lies on the devices. */
export interface PlacedType extends TensorType {
  readonly sharding: Sharding;
}

/** The type alone, for errors and for executors. */
export const plainType = ({ dtype, shape }: TensorType): TensorType => ({ dtype, shape });

/**
 * An array, zeros that nobody has asked for yet, or an array that is still being made. Whoever made it holds it; each further
 * holder says so, and lets go once.
 */
export class Content {
  readonly type: PlacedType;
  private readonly executor: XlaExecutor;
  private source: DeviceArray | Promise<DeviceArray> | undefined;
  private holders = 1;
  private readonly waiting: (() => void)[] = [];

  /** @param source what is held; zeros when left out */
  constructor(executor: XlaExecutor, type: PlacedType, source?: DeviceArray | Promise<DeviceArray>) {
    this.executor = executor;
    this.type = type;
    this.source = source;
    // Whoever uses the content is told what went wrong.
    if (source instanceof Promise) source.catch(() => undefined);
  }

  hold(): this {
    this.holders++;
    return this;
  }

  /** Lets go; the array is freed when nobody holds it any more. */
  release(): void {
    this.holders--;
    if (this.holders === 1) for (const proceed of this.waiting.splice(0)) proceed();
    if (this.holders > 0 || this.source === undefined) return;
    const { source } = this;
    this.source = undefined;
    if (source instanceof Promise)
      source.then(
        (array) => array.dispose(),
        () => undefined,
      );
    else source.dispose();
  }

  /** Whether its caller is the only holder. */
  get isSole(): boolean {
    return this.holders === 1;
  }

  /** Resolves when its caller is the only holder. */
  async whenSole(): Promise<void> {
    while (this.holders > 1) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** The array on the devices, where it is there already: a step has hundreds, and waiting for each takes its time. */
  get present(): DeviceArray | undefined {
    return this.source instanceof Promise ? undefined : this.source;
  }

  /** The array on the devices; zeros are written now. @throws {BackendError} OUT_OF_MEMORY */
  async array(): Promise<DeviceArray> {
    if (this.source instanceof Promise) {
      const array = await this.source;
      if (this.source !== undefined) this.source = array;
      return array;
    }
    this.source ??= this.executor.upload(
      allocateHostData(this.type.dtype, sizeOf(this.type.shape)),
      plainType(this.type),
      this.type.sharding,
    );
    return this.source;
  }

  /** Copies out into new host memory. */
  async read(): Promise<HostData> {
    if (this.source === undefined) return allocateHostData(this.type.dtype, sizeOf(this.type.shape));
    return (await this.array()).read();
  }
}

/** The error for the use of a tensor whose memory a failed run had taken. */
export function lostContent(type: TensorType): BackendError {
  return new BackendError(
    `${formatType(type)} gave its memory to a run that failed. Write it again, or go on from the last checkpoint.`,
    { code: "BUFFER_LOST", path: "buffer" },
  );
}
