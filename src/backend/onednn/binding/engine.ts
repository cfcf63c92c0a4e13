/** @file An open library with its engine and stream: makes and runs primitives in the thread that opened it. */
import { BackendError } from "../../../base/errors.ts";
import { Api2 } from "./api-2.ts";
import { Api3 } from "./api-3.ts";
import { QUERY } from "./constant.ts";
import type { Address } from "./function-table.ts";
import type { DnnLibrary } from "./library.ts";
import type { MajorApi } from "./major-api.ts";
import type { Descriptor, PostOpSpec, PrimitiveSpec } from "./primitive-spec.ts";
import { SharedArena } from "./shared-arena.ts";
import { checkStatus, dnnError } from "./status.ts";

const CPU = 1;
const IN_ORDER = 1;
const USER_SCRATCHPAD = 1;

const ARGUMENT_BYTES = 16;
const NONE = { memory: 0, bytes: 0 } as const;

/** An argument of an execution and its memory. */
export type ArgumentEntry = readonly [argument: number, memory: Address];

/** Arguments as the library reads them; the buffer must stay referenced. */
export function argumentTable(entries: readonly ArgumentEntry[]): ArrayBuffer {
  const table = new DataView(new ArrayBuffer(ARGUMENT_BYTES * entries.length));
  entries.forEach(([argument, memory], i) => {
    table.setInt32(i * ARGUMENT_BYTES, argument, true);
    table.setBigUint64(i * ARGUMENT_BYTES + 8, BigInt(memory), true);
  });
  return table.buffer;
}

/** What a primitive is made of, beside its operation. */
export interface PrimitiveOptions {
  /** Where it comes from, for errors. */
  readonly where: string;
  readonly postOps: readonly PostOpSpec[];
  /** The forward operation of a backward one. */
  readonly forward?: PrimitiveSpec;
  /** Multiplies the source of a reorder. */
  readonly reorderScale?: number;
  /** Whether the library was left to choose the weights' layout. */
  readonly hasFreeWeights?: boolean;
}

/** A primitive, and what its execution needs; its memories belong to whoever asked. */
export interface Primitive {
  readonly address: Address;
  /** The library's name for the code it chose. */
  readonly implementation: string;
  /** A memory without data for the scratchpad, and its size; 0 where none is needed. */
  readonly scratchpad: { readonly memory: Address; readonly bytes: number };
  /** A memory without data for what the forward pass keeps for the backward pass. */
  readonly workspace: { readonly memory: Address; readonly bytes: number };
  /** A memory without data in the layout that the library chose for the weights; 0 where it was given one. */
  readonly weights: { readonly memory: Address; readonly bytes: number };
  /** The run-time argument that takes `reorderScale` (f32 `[1]`), or 0. */
  readonly scaleArgument: number;
}

/** The engine and its stream. */
export class DnnEngine {
  readonly library: DnnLibrary;
  readonly api: MajorApi;
  readonly stream: Address;
  /** Shared by all programs of this thread. */
  readonly arena: SharedArena;
  private readonly engine: Address;
  private readonly cellData = new BigUint64Array(new ArrayBuffer(8));
  private readonly cell: Address;
  private readonly threads: number;
  /** Whether the library was last told to use one thread. */
  private isAlone = false;

  /**
   * @param threads of steps that are worth them
   * @throws {BackendError} ONEDNN_FAILED when the library cannot use this processor
   */
  constructor(library: DnnLibrary, threads: number) {
    this.library = library;
    this.threads = threads;
    library.setThreads(threads);
    this.arena = new SharedArena(library);
    this.cell = library.addressOf(this.cellData.buffer);
    const { common } = library;
    this.engine = this.receive("engine", "open", (cell) => common.dnnl_engine_create(cell, CPU, 0));
    this.stream = this.receive("stream", "open", (cell) => common.dnnl_stream_create(cell, this.engine, IN_ORDER));
    const { byMajor } = library;
    this.api =
      byMajor.major === 2 ? new Api2(library, byMajor.fn, this.engine) : new Api3(library, byMajor.fn, this.engine);
  }

  /** Lets what is made or run next use one thread, or all. */
  useThreads(isAlone: boolean): void {
    if (isAlone === this.isAlone) return;
    this.isAlone = isAlone;
    this.library.setThreads(isAlone ? 1 : this.threads);
  }

  /**
   * Makes a primitive with user scratchpad.
   * @throws {BackendError} ONEDNN_REFUSED when the library has no such primitive; OUT_OF_MEMORY
   */
  createPrimitive(spec: PrimitiveSpec, options: PrimitiveOptions): Primitive {
    const { common } = this.library;
    const { where } = options;
    const { attributes, scaleArgument } = this.createAttributes(options);
    let hint = 0;
    let descriptor = 0;
    try {
      if (options.forward !== undefined) hint = this.describePrimitive(options.forward, where, attributes, 0);
      descriptor = this.describePrimitive(spec, where, attributes, hint);
      const implementation = this.implementation(descriptor, where);
      const address = this.receive(spec.kind, where, (cell) => common.dnnl_primitive_create(cell, descriptor));
      return {
        address,
        implementation,
        scaleArgument,
        weights: options.hasFreeWeights === true ? this.memoryOf(descriptor, QUERY.weights, where) : NONE,
        scratchpad: this.memoryOf(descriptor, QUERY.scratchpad, where),
        workspace: this.memoryOf(descriptor, QUERY.workspace, where),
      };
    } finally {
      if (descriptor !== 0) common.dnnl_primitive_desc_destroy(descriptor);
      if (hint !== 0) common.dnnl_primitive_desc_destroy(hint);
      common.dnnl_primitive_attr_destroy(attributes);
    }
  }

  /** A memory over `data`, or without data for `setData`. @throws {BackendError} ONEDNN_FAILED */
  createMemory(descriptor: Descriptor, data: Address, where: string): Address {
    const { common } = this.library;
    return this.receive("memory", where, (cell) => common.dnnl_memory_create(cell, descriptor, this.engine, data));
  }

  setData(memory: Address, data: Address, where: string): void {
    checkStatus(this.library.common.dnnl_memory_set_data_handle(memory, data), "set data", where);
  }

  /** The layout of a memory; it lives as long as the memory. */
  descriptorOf(memory: Address, where: string): Descriptor {
    return this.receive("descriptor", where, (cell) => this.library.common.dnnl_memory_get_memory_desc(memory, cell));
  }

  isSameLayout(one: Descriptor, other: Descriptor): boolean {
    return this.library.common.dnnl_memory_desc_equal(one, other) !== 0;
  }

  /** Runs a primitive once, and waits for it. @throws {BackendError} ONEDNN_FAILED */
  execute(primitive: Address, entries: readonly ArgumentEntry[], where: string): void {
    const { common } = this.library;
    const table = argumentTable(entries);
    const status = common.dnnl_primitive_execute(primitive, this.stream, entries.length, this.library.addressOf(table));
    if (status !== 0) throw dnnError(status, "execution", where, "ONEDNN_FAILED");
    common.dnnl_stream_wait(this.stream);
  }

  /** Ends stream and engine; primitives and memories must be gone. */
  dispose(): void {
    const { common } = this.library;
    this.api.releaseDescriptors();
    common.dnnl_stream_wait(this.stream);
    common.dnnl_stream_destroy(this.stream);
    common.dnnl_engine_destroy(this.engine);
  }

  private receive(what: string, where: string, call: (cell: Address) => number): Address {
    this.cellData[0] = 0n;
    checkStatus(call(this.cell), `create ${what}`, where);
    return Number(this.cellData[0]);
  }

  private describePrimitive(spec: PrimitiveSpec, where: string, attributes: Address, hint: Address): Address {
    this.cellData[0] = 0n;
    const status = this.api.createPrimitiveDescriptor(this.cell, spec, attributes, hint);
    if (status !== 0) throw dnnError(status, `no ${spec.kind} for these operands`, where, "ONEDNN_REFUSED");
    return Number(this.cellData[0]);
  }

  private createAttributes({ where, postOps, reorderScale }: PrimitiveOptions): {
    readonly attributes: Address;
    readonly scaleArgument: number;
  } {
    const { common } = this.library;
    const attributes = this.receive("attributes", where, (cell) => common.dnnl_primitive_attr_create(cell));
    let list = 0;
    let scaleArgument = 0;
    try {
      const mode = common.dnnl_primitive_attr_set_scratchpad_mode(attributes, USER_SCRATCHPAD);
      checkStatus(mode, "user scratchpad", where);
      if (reorderScale !== undefined) {
        const { status, argument } = this.api.setReorderScale(attributes, reorderScale);
        checkStatus(status, "scale", where);
        scaleArgument = argument;
      }
      if (postOps.length > 0) {
        list = this.receive("post-ops", where, (cell) => common.dnnl_post_ops_create(cell));
        for (const postOp of postOps) {
          const status =
            postOp.kind === "binary"
              ? common.dnnl_post_ops_append_binary(list, postOp.algorithm, postOp.descriptor)
              : this.api.appendPostOp(list, postOp);
          if (status !== 0) throw dnnError(status, `post-op ${postOp.kind}`, where, "ONEDNN_REFUSED");
        }
        checkStatus(common.dnnl_primitive_attr_set_post_ops(attributes, list), "post-ops", where);
      }
      return { attributes, scaleArgument };
    } catch (error) {
      common.dnnl_primitive_attr_destroy(attributes);
      throw error;
    } finally {
      if (list !== 0) common.dnnl_post_ops_destroy(list);
    }
  }

  private implementation(descriptor: Address, where: string): string {
    this.cellData[0] = 0n;
    const { common } = this.library;
    const status = common.dnnl_primitive_desc_query(descriptor, QUERY.implementation, 0, this.cell);
    const name = Number(this.cellData[0]);
    if (status !== 0 || name === 0) {
      throw new BackendError("the library does not say which implementation it chose.", {
        code: "ONEDNN_FAILED",
        path: `onednn: ${where}`,
      });
    }
    return this.library.readString(name);
  }

  private memoryOf(descriptor: Address, query: number, where: string): Primitive["scratchpad"] {
    const { common } = this.library;
    const described = common.dnnl_primitive_desc_query_md(descriptor, query, 0);
    const bytes = described === 0 ? 0 : common.dnnl_memory_desc_get_size(described);
    return bytes === 0 ? NONE : { memory: this.createMemory(described, 0, where), bytes };
  }
}
