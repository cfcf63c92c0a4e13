import { BackendError } from "../../../base/errors.ts";
import type { MemoryRegion, OrtBoundRun } from "./binding.ts";
import { checkStatus } from "./c-api-status.ts";
import type { OrtLibrary, Pointer } from "./c-api-table.ts";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import { checkAttached } from "./region.ts";

/** koffi runs asynchronous calls on libuv's pool, four threads by default; more would wait behind other I/O. */
const MAX_ASYNC_CALLS = 4;

/** Shared by everything that calls the engine asynchronously in this thread. */
export const asyncCalls = new ConcurrencyLimit(MAX_ASYNC_CALLS);

interface NativeHandles {
  readonly session: Pointer;
  readonly binding: Pointer;
  readonly runOptions: Pointer;
  /** Used once, instead of `runOptions`. */
  readonly firstOptions?: Pointer | undefined;
  readonly values: readonly Pointer[];
}

const PATH = "onnxruntime.run";

/** An IoBinding with its run options; holds on to the bound buffers for as long as it lives. */
export class CApiBoundRun implements OrtBoundRun {
  readonly #library: OrtLibrary;
  readonly #handles: NativeHandles;
  readonly #regions: readonly MemoryRegion[];
  readonly #onDispose: (run: CApiBoundRun) => void;
  #inFlight: Promise<void> | undefined;
  #runOptions: Pointer;
  #terminated = false;
  #disposed: Promise<void> | undefined;

  constructor(
    library: OrtLibrary,
    handles: NativeHandles,
    regions: readonly MemoryRegion[],
    onDispose: (run: CApiBoundRun) => void,
  ) {
    this.#library = library;
    this.#handles = handles;
    this.#regions = regions;
    this.#onDispose = onDispose;
    this.#runOptions = handles.firstOptions ?? handles.runOptions;
  }

  async run(): Promise<void> {
    this.#checkReady();
    this.#inFlight = this.#runAsync();
    try {
      await this.#inFlight;
    } finally {
      this.#inFlight = undefined;
      this.#clearTermination();
      this.#runOptions = this.#handles.runOptions;
    }
  }

  readonly runSync = (): void => {
    this.#checkReady();
    const { session, binding } = this.#handles;
    const status = this.#library.functions.runWithBinding(session, this.#runOptions, binding);
    this.#runOptions = this.#handles.runOptions;
    checkStatus(this.#library, status, PATH, "RUN_FAILED");
  };

  terminate(): boolean {
    if (this.#inFlight === undefined) {
      return false;
    }
    this.#terminated = true;
    const status = this.#library.functions.runOptionsSetTerminate(this.#runOptions);
    checkStatus(this.#library, status, "onnxruntime.terminate");
    return true;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#release();
    return this.#disposed;
  }

  #checkReady(): void {
    if (this.#disposed !== undefined) {
      throw new BackendError("the bound run is disposed. Bind again.", { code: "RUN_DISPOSED", path: PATH });
    }
    if (this.#inFlight !== undefined) {
      throw new BackendError(
        "a bound run runs once at a time; one is in flight. Await it, or bind the session to other memory.",
        { code: "RUN_IN_PROGRESS", path: PATH },
      );
    }
    checkAttached(this.#regions);
  }

  async #runAsync(): Promise<void> {
    const { functions } = this.#library;
    const { session, binding } = this.#handles;
    const runOptions = this.#runOptions;
    await asyncCalls.acquire();
    try {
      const status = await new Promise<Pointer>((resolve, reject) => {
        functions.runWithBinding.async(session, runOptions, binding, (error: unknown, result: Pointer) => {
          if (error) {
            reject(error);
          } else {
            resolve(result);
          }
        });
      });
      checkStatus(this.#library, status, PATH, this.#terminated ? "RUN_TERMINATED" : "RUN_FAILED");
    } finally {
      asyncCalls.release();
    }
  }

  #clearTermination(): void {
    if (this.#terminated) {
      this.#terminated = false;
      const status = this.#library.functions.runOptionsUnsetTerminate(this.#runOptions);
      checkStatus(this.#library, status, "onnxruntime.terminate");
    }
  }

  async #release(): Promise<void> {
    // The caller of run() sees its error; here only its end matters.
    await this.#inFlight?.catch(() => undefined);
    // run() still has to clear its termination flag on the run options.
    await Promise.resolve();
    const ort = this.#library.functions;
    ort.releaseIoBinding(this.#handles.binding);
    this.#handles.values.forEach((value) => {
      ort.releaseValue(value);
    });
    const { runOptions, firstOptions } = this.#handles;
    ort.releaseRunOptions(runOptions);
    if (firstOptions !== undefined) ort.releaseRunOptions(firstOptions);
    this.#onDispose(this);
  }
}
