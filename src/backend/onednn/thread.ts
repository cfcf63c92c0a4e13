/** @file The engine thread, seen from the main thread. */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { BackendError } from "../../base/errors.ts";
import { startSiblingWorker } from "../../base/sibling-module.ts";
import { dtypeBytes, type TensorType } from "../../ir/dtype.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import type { SelfTestOptions, SelfTestVerdict } from "../self-test.ts";
import { selfTestOneDnn } from "./binding/self-test.ts";
import { checkProgram, operandsOf } from "./check-program.ts";
import type { Program } from "./program.ts";
import type {
  EngineInfo,
  RateDType,
  RegionMessage,
  ThreadError,
  ThreadRequest,
  ThreadResponse,
  ThreadResults,
} from "./thread-protocol.ts";

/** Bytes in shared memory that never moves: a graph input or output. */
export interface SharedRegion {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface EngineThreadOptions {
  /** Threads of the library; all processors when left out. */
  readonly threads?: number;
  /** The library's file; searched when left out. */
  readonly libraryPath?: string;
  readonly selfTest?: SelfTestOptions;
}

/** A program that the engine thread holds ready. */
export interface CompiledProgram {
  readonly id: number;
  /** The library's implementation of every step; `host:` and the kernel's name for host steps. */
  readonly implementations: readonly string[];
  readonly scratchpadBytes: number;
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
}

/** Inputs that hold the same numbers at every run of a program. */
export interface FixedProgramInputs {
  /** Programs with the same set share their copies. */
  readonly set: number;
  /** By index of the program's input. */
  readonly regions: ReadonlyMap<number, Pick<SharedRegion, "buffer" | "byteOffset">>;
}

interface Pending {
  resolve(value: ThreadResults[keyof ThreadResults]): void;
  reject(error: Error): void;
}

/** One engine thread with the library, its OpenMP threads and its programs. */
export class EngineThread {
  readonly info: EngineInfo;
  private readonly link: ThreadLink;
  private readonly compiled = new Set<CompiledProgram>();
  /** The regions of every program's last run. */
  private readonly lastRegions = new WeakMap<CompiledProgram, string>();
  private disposed: Promise<void> | undefined;

  private constructor(link: ThreadLink, info: EngineInfo) {
    this.link = link;
    this.info = info;
  }

  /**
   * Opens the library in a new thread, once a self-test in a process of its own has passed.
   * @throws {BackendError} ONEDNN_PLATFORM, ONEDNN_LIBRARY_MISSING, ONEDNN_LIBRARY_BROKEN, ONEDNN_VERSION,
   *   ONEDNN_RUNTIME, ONEDNN_CPU; ONEDNN_UNUSABLE when the self-test fails; WORKER_FAILED
   */
  static async open(options: EngineThreadOptions = {}): Promise<EngineThread> {
    const { threads = availableParallelism(), libraryPath } = options;
    if (!Number.isInteger(threads) || threads < 1) {
      throw new BackendError(`threads must be a whole number of 1 or more; got ${threads}.`, {
        code: "ONEDNN_THREADS",
        path: "onednn.open",
      });
    }
    const verdict = await selfTestOneDnn(libraryPath, options.selfTest);
    if (!verdict.passed) throw unusable(verdict);
    const link = new ThreadLink();
    try {
      return new EngineThread(link, await link.request({ op: "open", threads, libraryPath }));
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  /**
   * Makes a program ready.
   * @param fixed inputs that hold the same numbers at every run, by index: products read copies laid out for them
   * @throws {BackendError} naming the step that the library refuses
   */
  async compile(program: Program, fixed?: FixedProgramInputs): Promise<CompiledProgram> {
    this.refuseDisposed("compile");
    checkProgram(program);
    if (!this.info.bf16) refuseBf16(program, this.info.isa);
    const regions = [...(fixed?.regions ?? [])].map(([input, { buffer, byteOffset }]) => ({
      ...{ input, memory: this.link.introduce(buffer), byteOffset },
    }));
    const message = fixed === undefined ? undefined : { set: fixed.set, regions };
    const facts = await this.link.request({ op: "compile", program, fixed: message });
    const { inputs, outputs } = program;
    const compiled = { ...facts, inputs, outputs };
    this.compiled.add(compiled);
    return compiled;
  }

  /**
   * Runs a program over shared memory; calls run one after the other.
   * @returns seconds that the steps took
   * @throws {BackendError} REGION_COUNT, REGION_SIZE, REGION_MEMORY; ONEDNN_FAILED naming the step
   */
  async run(
    program: CompiledProgram,
    inputs: readonly SharedRegion[],
    outputs: readonly SharedRegion[],
  ): Promise<number> {
    this.refuseDisposed("run");
    this.refuseReleased(program);
    checkRegions("input", program.inputs, inputs);
    checkRegions("output", program.outputs, outputs);
    const regions = [...inputs, ...outputs].map(
      ({ buffer, byteOffset }): RegionMessage => ({ memory: this.link.introduce(buffer), byteOffset }),
    );
    const key = `${this.link.forgotten};${regions.map(({ memory, byteOffset }) => `${memory}:${byteOffset}`).join()}`;
    const same = this.lastRegions.get(program) === key;
    this.lastRegions.set(program, key);
    return this.link.request({ op: "run", program: program.id, regions: same ? undefined : regions });
  }

  /** Runs a program once more over the regions of its last run and gives the seconds of every step. */
  async profile(program: CompiledProgram): Promise<readonly number[]> {
    this.refuseDisposed("profile");
    this.refuseReleased(program);
    return this.link.request({ op: "profile", program: program.id });
  }

  /** Frees a program's primitives and arena, after the runs that were asked for. */
  async release(program: CompiledProgram): Promise<void> {
    if (this.disposed !== undefined || !this.compiled.delete(program)) return;
    await this.link.request({ op: "release", program: program.id });
  }

  /** Lets go of the copies of a set of fixed inputs, after the programs that read them. */
  unfix(set: number): void {
    if (this.disposed === undefined) this.link.request({ op: "unfix", set }).catch(() => undefined);
  }

  /** Lets go of memories that are used no more; those collected as garbage are let go of by themselves. */
  forget(buffers: readonly ArrayBufferLike[]): void {
    this.link.forget(buffers);
  }

  /** Measured rate of one matrix product (M 1024, K 768, N 3072), in 10⁹ floating-point operations a second. */
  async gemmRate(dtype: RateDType): Promise<number> {
    this.refuseDisposed("gemmRate");
    if (dtype === "bf16" && !this.info.bf16) throw bf16Error("gemmRate", this.info.isa);
    return this.link.request({ op: "rate", dtype });
  }

  /** Ends the thread after the work that was asked for. */
  dispose(): Promise<void> {
    this.disposed ??= this.link.close();
    return this.disposed;
  }

  private refuseDisposed(what: string): void {
    if (this.disposed === undefined) return;
    throw new BackendError("the engine thread is disposed. Open another one.", {
      code: "ENGINE_DISPOSED",
      path: `onednn.${what}`,
    });
  }

  private refuseReleased(program: CompiledProgram): void {
    if (this.compiled.has(program)) return;
    throw new BackendError("the program was released, or belongs to another engine. Compile it again.", {
      code: "PROGRAM_RELEASED",
      path: "onednn.run",
    });
  }
}

function unusable({ detail }: SelfTestVerdict): BackendError {
  const message = `the library does not work here: ${detail}. Use another one, or the engine "onnx".`;
  return new BackendError(message, { code: "ONEDNN_UNUSABLE", path: "onednn" });
}

function bf16Error(path: string, isa: string): BackendError {
  return new BackendError(
    `bf16 needs a processor with AVX512-BF16; this one has ${isa}, where bf16 would be slower than f32. Use f32.`,
    { code: "ONEDNN_CPU_BF16", path: `onednn.${path}` },
  );
}

function refuseBf16(program: Program, isa: string): void {
  for (const step of program.steps) {
    if (operandsOf(step).some(({ view }) => view.dtype === "bf16")) throw bf16Error(`compile: ${step.label}`, isa);
  }
}

function checkRegions(side: string, types: readonly TensorType[], regions: readonly SharedRegion[]): void {
  if (types.length !== regions.length) {
    throw new BackendError(`the program has ${types.length} ${side}s; got ${regions.length}.`, {
      code: "REGION_COUNT",
      path: "onednn.run",
    });
  }
  types.forEach((type, i) => {
    const { buffer, byteOffset, byteLength } = regions[i]!;
    const bytes = sizeOf(type.shape) * dtypeBytes[type.dtype];
    const fits = byteLength === bytes && byteOffset >= 0 && byteOffset + bytes <= buffer.byteLength;
    if (!fits || byteOffset % dtypeBytes[type.dtype] !== 0) {
      throw new BackendError(
        `${side} ${i} is ${formatType(type)} of ${bytes} bytes; got ${byteLength} bytes at ${byteOffset} of ${buffer.byteLength}.`,
        { code: "REGION_SIZE", path: "onednn.run" },
      );
    }
  });
}

/** Requests and answers; keeps the process alive only while a request is open. */
class ThreadLink {
  /** Counts what was forgotten, since ids of memories change with it. */
  forgotten = 0;
  private readonly worker: Worker;
  private readonly ended: Promise<void>;
  private readonly pending = new Map<number, Pending>();
  private readonly memoryIds = new WeakMap<ArrayBufferLike, number>();
  private readonly collected: FinalizationRegistry<number>;
  private nextId = 1;
  private failure: BackendError | undefined;

  constructor() {
    this.collected = new FinalizationRegistry((id) => {
      this.forgotten++;
      this.worker.postMessage({ forget: [id] });
    });
    this.worker = startSiblingWorker("thread-worker", import.meta.url);
    this.worker.unref();
    this.worker.on("message", (response: ThreadResponse) => {
      this.settle(response);
    });
    this.worker.on("error", (cause) => {
      this.fail(`the engine thread failed: ${cause.message}`, cause);
    });
    this.ended = new Promise((resolve) => {
      this.worker.on("exit", (code) => {
        this.fail(`the engine thread ended with code ${code}`);
        resolve();
      });
    });
  }

  request<R extends ThreadRequest>(request: R): Promise<ThreadResults[R["op"]]> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const settle = resolve as Pending["resolve"];
      this.pending.set(id, { resolve: settle, reject });
      this.worker.ref();
      try {
        this.worker.postMessage({ id, request });
      } catch (cause) {
        this.settle({ id, ok: false, error: cloneError(cause) });
      }
    });
  }

  /** The thread's id of a memory. @throws {BackendError} REGION_MEMORY when it is not shared */
  introduce(buffer: ArrayBufferLike): number {
    const known = this.memoryIds.get(buffer);
    if (known !== undefined) return known;
    if (!(buffer instanceof SharedArrayBuffer)) {
      throw new BackendError("regions lie in shared memory; got a private buffer.", {
        code: "REGION_MEMORY",
        path: "onednn.run",
      });
    }
    const id = this.nextId++;
    this.memoryIds.set(buffer, id);
    this.collected.register(buffer, id, buffer);
    this.worker.postMessage({ memory: id, buffer });
    return id;
  }

  forget(buffers: readonly ArrayBufferLike[]): void {
    const ids = buffers.flatMap((buffer) => this.memoryIds.get(buffer) ?? []);
    if (ids.length === 0) return;
    for (const buffer of buffers) {
      this.memoryIds.delete(buffer);
      this.collected.unregister(buffer);
    }
    this.forgotten++;
    this.worker.postMessage({ forget: ids });
  }

  /** Lets the thread end by itself: stopping it from outside might meet native code. */
  async close(): Promise<void> {
    if (this.failure === undefined) {
      this.worker.ref();
      await this.request({ op: "close" }).catch(() => undefined);
      this.worker.ref();
    }
    await this.ended;
  }

  private settle(response: ThreadResponse): void {
    const pending = this.pending.get(response.id);
    this.pending.delete(response.id);
    if (this.pending.size === 0) this.worker.unref();
    if (response.ok) pending?.resolve(response.value);
    else pending?.reject(restore(response.error));
  }

  private fail(message: string, cause?: unknown): void {
    this.failure ??= new BackendError(`${message}. Open the engine again.`, {
      code: "WORKER_FAILED",
      path: "onednn",
      cause,
    });
    for (const { reject } of this.pending.values()) reject(this.failure);
    this.pending.clear();
  }
}

function cloneError(cause: unknown): ThreadError {
  return { message: `the request cannot be sent: ${String(cause)}.`, code: "INTERNAL", path: "onednn", details: {} };
}

function restore({ message, code, path, details }: ThreadError): BackendError {
  return new BackendError(message, { code, details, ...(path === undefined ? {} : { path }) });
}
