import type { OnnxElementType } from "../proto/element-type.ts";

/**
 * A tensor's place in memory that the caller owns: row-major elements from `byteOffset` on.
 *
 * The buffer may be an ArrayBuffer, a SharedArrayBuffer or the buffer of a shared WebAssembly.Memory. It must not be
 * detached (transferred, or grown if it is a plain WebAssembly.Memory) while it is bound.
 */
export interface MemoryRegion {
  readonly buffer: ArrayBufferLike;
  /** A multiple of the element size; 64-byte alignment is fastest. */
  readonly byteOffset: number;
  readonly dtype: OnnxElementType;
  readonly shape: readonly number[];
}

/** A model input or output as the engine reports it; -1 stands for a size known only at run time. */
export interface OrtValueSpec {
  readonly name: string;
  readonly dtype: OnnxElementType;
  readonly shape: readonly number[];
}

export interface OrtSessionOptions {
  /** Threads that share the work of one operator, the calling thread included. */
  readonly intraOpThreads: number;
  /** Graph rewriting by the engine; "all" by default. */
  readonly graphOptimization?: "all" | "basic" | "off";
  /** Whether freed activations are kept for the next run; true by default. */
  readonly memoryArena?: boolean;
  /** Whether activations are laid out once for the shapes seen; true by default (off is slower). */
  readonly memoryPattern?: boolean;
  /** Write a trace of every operator to `<prefix>_<time>.json` when the session is disposed. */
  readonly profileFilePrefix?: string;
  /** Engine settings by key, such as `session.intra_op.allow_spinning`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Access to ONNX Runtime, by its C API or by onnxruntime-node; both behave alike apart from speed. */
export interface OrtBinding {
  readonly kind: "c-api" | "onnxruntime-node";
  /** The engine's own version. */
  readonly version: string;
  /** Execution providers compiled into the engine. */
  readonly providers: readonly string[];
  /**
   * Compiles a model off the JavaScript thread.
   * @param model a serialized ModelProto; not needed after the promise settles
   * @param weights the elements of the model's constants that are not in it
   * @throws {BackendError} SESSION_REFUSED with the engine's own message
   */
  createSession(model: Uint8Array, options: OrtSessionOptions, weights?: OrtWeights): Promise<OrtSession>;
  /** Ties constants to memory of the caller for any number of sessions; only the C API has it. */
  readonly shareWeights?: (regions: ReadonlyMap<string, MemoryRegion>) => OrtWeights;
  /** Waits for runs in flight, then releases all sessions and the engine; repeating it does nothing. */
  dispose(): Promise<void>;
}

/**
 * Constants of models, in memory of the caller. Kernels rearrange them for speed when a session is created; all
 * sessions with the same weights share one such copy.
 */
export interface OrtWeights {
  /** What models must give as their constants' place outside the model; nothing is read there. */
  readonly location: string;
  /** Gives back the rearranged copies. No session that was created with the weights may be in use any more. */
  dispose(): void;
}

/** One compiled model. */
export interface OrtSession {
  readonly inputs: readonly OrtValueSpec[];
  readonly outputs: readonly OrtValueSpec[];
  /**
   * Ties every input and output, in the order of `inputs` and `outputs`, to memory of the caller.
   *
   * Reads and writes happen at each run, so new data is put in by writing to the regions. One session may have
   * several bindings, and they may run at the same time. Output regions must not overlap any other region.
   * @param inPlace outputs, by position, that may lie exactly where an input lies: sums that the input is a summand of
   * @throws {BackendError} REGION_COUNT, REGION_DTYPE, REGION_SHAPE, REGION_BOUNDS, REGION_ALIGNMENT, REGION_OVERLAP
   */
  bind(
    inputs: readonly MemoryRegion[],
    outputs: readonly MemoryRegion[],
    inPlace?: ReadonlyMap<number, number>,
  ): OrtBoundRun;
  /** Refuses new runs, waits for those in flight, then releases; repeating it does nothing. */
  dispose(): Promise<void>;
}

/** A session tied to memory, ready to run any number of times, one run at a time. */
export interface OrtBoundRun {
  /**
   * Computes all outputs into their regions, off the JavaScript thread.
   * @throws {BackendError} RUN_FAILED with the engine's own message; RUN_TERMINATED after `terminate`; RUN_IN_PROGRESS
   */
  run(): Promise<void>;
  /** The same on the calling thread, saving about 0.1 ms; only the C API has it. */
  readonly runSync?: () => void;
  /**
   * Asks the run in flight to stop at the next operator; its promise then rejects with RUN_TERMINATED.
   * @returns false when nothing runs or the binding cannot stop a run (onnxruntime-node)
   */
  terminate(): boolean;
  /** Waits for the run in flight, then releases; repeating it does nothing. */
  dispose(): Promise<void>;
}
