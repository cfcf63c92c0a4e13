import { BackendError } from "../../base/errors.ts";
import type { DType, HostData, TensorType } from "../../ir/dtype.ts";
import { formatType } from "../../ir/shape.ts";
import type { Buffer, ElementRuns } from "../backend.ts";
import { copyRuns } from "../copy-runs.ts";
import { copyFromHost, copyToHost, type Precision, type Tensor } from "../host/storage.ts";

/** A tensor of the reference engine: a typed array that can be given back. */
export class ReferenceBuffer implements Buffer {
  readonly dtype: DType;
  readonly shape: readonly number[];
  private readonly precision: Precision;
  private readonly owned: boolean;
  private tensor: Tensor | undefined;

  /** @param owned false where a store owns the memory: `dispose` then does nothing */
  constructor(tensor: Tensor, precision: Precision, owned = true) {
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.tensor = tensor;
    this.precision = precision;
    this.owned = owned;
  }

  /** The working memory itself. @throws {BackendError} BUFFER_DISPOSED */
  use(): Tensor {
    if (this.tensor === undefined) {
      throw new BackendError(`${formatType(this)} was disposed and is used again.`, {
        code: "BUFFER_DISPOSED",
        path: "buffer",
      });
    }
    return this.tensor;
  }

  write(data: HostData): void {
    copyFromHost(this.use(), data, "buffer.write", this.precision);
  }

  copyFrom(source: Buffer, runs: ElementRuns): void {
    const read = requireOwn(source, "buffer.copyFrom").use();
    const written = this.use();
    copyRuns({ type: written, elements: written.data }, { type: read, elements: read.data }, runs);
  }

  async read(): Promise<HostData> {
    return copyToHost(this.use(), this.precision);
  }

  dispose(): void {
    if (this.owned) this.tensor = undefined;
  }

  /** Ends the use of a buffer whose store was disposed. */
  invalidate(): void {
    this.tensor = undefined;
  }
}

/** The engine's own form of a buffer. @throws {BackendError} FOREIGN_BUFFER */
export function requireOwn(buffer: Buffer & TensorType, where: string): ReferenceBuffer {
  if (buffer instanceof ReferenceBuffer) return buffer;
  throw new BackendError(`the buffer ${formatType(buffer)} belongs to another engine.`, {
    code: "FOREIGN_BUFFER",
    path: where,
  });
}
