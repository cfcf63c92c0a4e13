/** @file Tensors that can be written, over arrays that cannot: a buffer is a name for the array it holds now. */
import { BackendError } from "../../base/errors.ts";
import { allocateHostData, type DType, type HostData, type TensorType } from "../../ir/dtype.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import type { Buffer, ElementRuns } from "../backend.ts";
import { checkRuns } from "../copy-runs.ts";
import { Content, lostContent, type PlacedType, plainType } from "./content.ts";
import type { MakeCopies, PendingCopy } from "./copies.ts";
import type { DeviceArray, Sharding, XlaExecutor } from "./executor.ts";

function fail(code: string, message: string, path = "buffer"): never {
  throw new BackendError(message, { code, path });
}

/** @throws {BackendError} BUFFER_DATA_MISMATCH where length or kind of the array does not fit */
function checkData(type: TensorType, data: HostData): void {
  const length = sizeOf(type.shape);
  const expected = allocateHostData(type.dtype, 0);
  if (data.length === length && data.constructor === expected.constructor) return;
  const given = `${data.constructor.name} of ${data.length} elements`;
  const wanted = `${expected.constructor.name} of ${length}`;
  fail("BUFFER_DATA_MISMATCH", `host data must fit ${formatType(type)}; got ${given}, not ${wanted}.`, "buffer.write");
}

/** What buffers of one engine share. */
export interface XlaMemory {
  readonly executor: XlaExecutor;
  readonly makeCopies: MakeCopies;
}

/** A tensor of the XLA engine. */
export class XlaBuffer implements Buffer {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sharding: Sharding;
  private readonly memory: XlaMemory;
  private readonly isOwned: boolean;
  private state: Content | "lost" | "disposed";
  private copies: PendingCopy[] = [];

  /** @param isOwned false where a store owns the memory: `dispose` then does nothing */
  constructor(memory: XlaMemory, type: TensorType, sharding: Sharding = "replicated", isOwned = true) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.sharding = sharding;
    this.memory = memory;
    this.isOwned = isOwned;
    this.state = new Content(memory.executor, this.placed());
  }

  private placed(): PlacedType {
    const { dtype, shape, sharding } = this;
    return { dtype, shape, sharding };
  }

  private requireUsable(): void {
    if (this.state !== "disposed") return;
    const message = `${formatType(this)} was disposed and is used again. Dispose buffers after their last use.`;
    fail("BUFFER_DISPOSED", message);
  }

  private content(): Content {
    this.requireUsable();
    if (this.state === "lost" || this.state === "disposed") throw lostContent(this);
    return this.state;
  }

  /**
   * What is in the buffer now, for a holder who releases it.
   * @throws {BackendError} BUFFER_DISPOSED, BUFFER_LOST
   */
  hold(): Content {
    const content = this.content();
    if (this.copies.length === 0) return content.hold();
    const made = new Content(this.memory.executor, this.placed(), this.copied(content));
    this.state = made;
    return made.hold();
  }

  /** Makes the copies that were asked for, and lets go of what they read. */
  private async copied(base: Content): Promise<DeviceArray> {
    const { copies } = this;
    this.copies = [];
    try {
      return await this.memory.makeCopies(this.placed(), base, copies);
    } finally {
      base.release();
      for (const { source } of copies) source?.release();
    }
  }

  /**
   * What is in the buffer now, for a run that it is donated to; nothing is in it until `replace`.
   * @throws {BackendError} BUFFER_DISPOSED, BUFFER_LOST
   */
  take(): Content {
    const content = this.hold();
    content.release();
    this.state = "lost";
    return content;
  }

  /** Puts something else in; what is held then belongs to the buffer. */
  replace(content: Content): void {
    if (this.state === "disposed") {
      content.release();
      return;
    }
    this.drop();
    this.state = content;
  }

  private drop(): void {
    for (const { source } of this.copies) source?.release();
    this.copies = [];
    if (this.state instanceof Content) this.state.release();
  }

  write(data: HostData): void {
    this.requireUsable();
    checkData(this, data);
    const array = this.memory.executor.upload(data, plainType(this), this.sharding);
    this.replace(new Content(this.memory.executor, this.placed(), array));
  }

  copyFrom(source: Buffer, runs: ElementRuns): void {
    const own = requireOwn(source, "buffer.copyFrom");
    this.content();
    checkRuns(this, own, runs);
    this.copies.push({ source: own === this ? undefined : own.hold(), runs });
  }

  async read(): Promise<HostData> {
    const content = this.hold();
    try {
      return await content.read();
    } finally {
      content.release();
    }
  }

  dispose(): void {
    if (this.isOwned) this.invalidate();
  }

  /** Frees what is in it, whoever owns it. */
  invalidate(): void {
    this.drop();
    this.state = "disposed";
  }
}

/** The engine's own form of a buffer. @throws {BackendError} BUFFER_FOREIGN */
export function requireOwn(buffer: Buffer, where: string): XlaBuffer {
  if (buffer instanceof XlaBuffer) return buffer;
  return fail("BUFFER_FOREIGN", `${formatType(buffer)} belongs to another engine.`, where);
}
