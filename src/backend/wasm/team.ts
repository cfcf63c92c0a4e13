/** @file Runs kernels over pieces of memory, on worker threads that stay alive between calls. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { BackendError } from "../../base/errors.ts";
import type { Kernel } from "./compile-pointwise.ts";
import { workerProgram } from "./worker-program.ts";

/** One call of a kernel: at most `pieceElements` elements, so that sums do not depend on who adds them. */
export interface Piece {
  readonly memory: WebAssembly.Memory;
  /** Number of elements. */
  readonly count: number;
  /** Index of the first element, for programs that read it. */
  readonly index: number;
  /** Byte offsets of the kernel's pointers. */
  readonly pointers: readonly number[];
  readonly uniforms: readonly number[];
}

/** Elements of a piece: 256 KiB a stream; long enough to hide the call, short enough to share out evenly. */
export const pieceElements = 65_536;

/** Work below this many elements runs at once on the caller's thread (well under a millisecond). */
const inlineElements = 131_072;

interface Job {
  readonly id: number;
  readonly resolve: () => void;
  readonly reject: (error: BackendError) => void;
  waiting: number;
}

interface KernelExports {
  readonly run: (...args: number[]) => void;
  readonly [sum: `sum${number}`]: WebAssembly.Global;
}

export interface TeamOptions {
  /** Worker threads; 0 runs everything on the caller's thread (default: one for every processor). */
  readonly threads?: number;
}

/** A number of worker threads that share kernels' work. Results do not depend on that number. */
export class KernelTeam {
  readonly threads: number;
  private workers: Worker[] = [];
  private readonly kernelIds = new WeakMap<WebAssembly.Module, number>();
  private readonly memoryIds = new WeakMap<WebAssembly.Memory, number>();
  private readonly released: FinalizationRegistry<number>;
  private readonly instances = new WeakMap<WebAssembly.Memory, Map<WebAssembly.Module, KernelExports>>();
  private known = new Set<number>();
  private nextId = 0;
  private job: Job | undefined;
  private tail: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(options: TeamOptions = {}) {
    this.threads = options.threads ?? availableParallelism();
    this.released = new FinalizationRegistry((id) => {
      this.post({ forget: id });
    });
  }

  /**
   * Runs a kernel over all pieces and gives its sums, piece after piece. Calls run one after the other.
   * @throws {BackendError} WORKER_FAILED when a worker thread dies; TEAM_DISPOSED after `dispose`
   */
  async run(kernel: Kernel, pieces: readonly Piece[]): Promise<Float64Array> {
    const turn = this.tail.then(() => this.execute(kernel, pieces));
    this.tail = turn.catch(() => undefined);
    return turn;
  }

  private async execute(kernel: Kernel, pieces: readonly Piece[]): Promise<Float64Array> {
    if (this.disposed) {
      throw new BackendError("kernels are run after their threads were disposed.", {
        code: "TEAM_DISPOSED",
        path: "kernel team",
      });
    }
    let elements = 0;
    for (const piece of pieces) elements += piece.count;
    return this.threads === 0 || elements <= inlineElements
      ? this.runInline(kernel, pieces)
      : this.runShared(kernel, pieces);
  }

  private runInline({ module, sums }: Kernel, pieces: readonly Piece[]): Float64Array {
    const results = new Float64Array(pieces.length * sums.length);
    pieces.forEach(({ memory, count, index, pointers, uniforms }, i) => {
      const instance = this.instanceOf(module, memory);
      instance.run(count, index, ...pointers, ...uniforms);
      for (let s = 0; s < sums.length; s++) results[i * sums.length + s] = Number(instance[`sum${s}`]!.value);
    });
    return results;
  }

  private instanceOf(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
    let held = this.instances.get(memory);
    if (held === undefined) {
      held = new Map();
      this.instances.set(memory, held);
    }
    let instance = held.get(module);
    if (instance === undefined) {
      instance = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
      held.set(module, instance);
    }
    return instance;
  }

  private async runShared(kernel: Kernel, pieces: readonly Piece[]): Promise<Float64Array> {
    this.start();
    const kernelId = this.introduceKernel(kernel.module);
    const stride = 3 + kernel.numPointers + (pieces[0]?.uniforms.length ?? 0);
    const shared = (numbers: number) => new Float64Array(new SharedArrayBuffer(8 * Math.max(1, numbers)));
    const table = shared(pieces.length * stride);
    pieces.forEach(({ memory, count, index, pointers, uniforms }, i) => {
      table.set([this.introduceMemory(memory), count, index, ...pointers, ...uniforms], i * stride);
    });
    const sums = shared(pieces.length * kernel.sums.length);
    const control = new Int32Array(new SharedArrayBuffer(4));
    const { workers } = this;
    for (const worker of workers) worker.ref();
    try {
      await new Promise<void>((resolve, reject) => {
        const id = this.nextId++;
        this.job = { id, resolve, reject, waiting: workers.length };
        this.post({
          job: id,
          kernel: kernelId,
          numPieces: pieces.length,
          stride,
          numSums: kernel.sums.length,
          pieces: table,
          control,
          sums,
        });
      });
    } finally {
      this.job = undefined;
      // A finished program may exit: only running work holds it.
      for (const worker of this.workers) worker.unref();
    }
    return sums.slice(0, pieces.length * kernel.sums.length);
  }

  private start(): void {
    while (this.workers.length < this.threads) {
      const worker = new Worker(workerProgram, { eval: true, name: "firth-kernel", execArgv: [] });
      worker.on("message", ({ job, error }: { readonly job: number; readonly error?: string }) => {
        if (this.job?.id !== job) return;
        if (error !== undefined) this.fail(`a kernel trapped: ${error}`);
        else if (--this.job.waiting === 0) this.job.resolve();
      });
      worker.on("error", (error) => {
        this.fail(String(error));
      });
      worker.on("exit", (code) => {
        if (this.workers.includes(worker)) this.fail(`it ended with code ${code}`);
      });
      this.workers.push(worker);
    }
  }

  /** Ends all workers, so that none goes on writing; the next call starts new ones. */
  private fail(reason: string): void {
    const { job } = this;
    this.job = undefined;
    const error = new BackendError(`a worker thread failed: ${reason}. The memory it worked on is incomplete.`, {
      code: "WORKER_FAILED",
      path: "kernel team",
    });
    void this.stop().then(() => {
      job?.reject(error);
    });
  }

  private post(message: object): void {
    for (const worker of this.workers) worker.postMessage(message);
  }

  private introduceKernel(module: WebAssembly.Module): number {
    const id = this.kernelIds.get(module) ?? this.nextId++;
    this.kernelIds.set(module, id);
    if (!this.known.has(id)) this.post({ kernel: id, module });
    this.known.add(id);
    return id;
  }

  private introduceMemory(memory: WebAssembly.Memory): number {
    let id = this.memoryIds.get(memory);
    if (id === undefined) {
      id = this.nextId++;
      this.memoryIds.set(memory, id);
      this.released.register(memory, id);
    }
    if (!this.known.has(id)) this.post({ memory: id, object: memory });
    this.known.add(id);
    return id;
  }

  /**
   * Lets go of memories that nobody uses any more. Threads that hold them are ended after the work begun, and
   * started again when needed: an idle thread collects no garbage and would keep gigabytes.
   */
  release(memories: readonly WebAssembly.Memory[]): void {
    for (const memory of memories) this.instances.delete(memory);
    const held = memories.some((memory) => this.known.has(this.memoryIds.get(memory) ?? -1));
    if (held) this.tail = this.tail.then(() => this.stop());
  }

  private async stop(): Promise<void> {
    const { workers } = this;
    this.workers = [];
    this.known = new Set();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  /** Waits for the work begun, then ends the threads. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.tail;
    await this.stop();
  }
}
