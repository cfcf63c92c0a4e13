import type { Worker } from "node:worker_threads";
import { BackendError } from "../../../base/errors.ts";
import { startSiblingWorker } from "../../../base/sibling-module.ts";
import type { MemoryRegion, OrtBinding, OrtBoundRun, OrtSession, OrtSessionOptions, OrtValueSpec } from "./binding.ts";
import { engineError } from "./c-api-status.ts";
import type { RegionMessage, WorkerRequest, WorkerResponse, WorkerResults } from "./node-protocol.ts";
import { checkAttached, checkRegions, regionByteLength, regionBytes } from "./region.ts";

/**
 * Opens onnxruntime-node in a worker thread.
 *
 * Slower than the C API: inputs outside shared memory and all outputs are copied at every run, runs of all sessions
 * queue behind each other, and a run cannot be stopped. bfloat16 does not pass. Leaving the process during a run (also
 * by an uncaught error) aborts it: await `dispose` first.
 * @throws {BackendError} WORKER_FAILED when onnxruntime-node does not load here
 */
export async function openNodeBinding(): Promise<OrtBinding> {
  const link = new WorkerLink();
  const { version, providers } = await link.request({ op: "open" }, "onnxruntime.open", "WORKER_FAILED");
  return new NodeBinding(link, version, providers);
}

interface Pending {
  resolve(value: WorkerResults[keyof WorkerResults]): void;
  reject(error: Error): void;
  readonly path: string;
  readonly code: string;
}

/** Requests and answers between this thread and the worker; keeps the process alive only while one is open. */
class WorkerLink {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #failure: BackendError | undefined;

  constructor() {
    this.#worker = startSiblingWorker("node-worker", import.meta.url);
    this.#worker.unref();
    this.#worker.on("message", (response: WorkerResponse) => this.#settle(response));
    this.#worker.on("error", (cause) => this.#fail(`the worker failed: ${cause.message}`, cause));
    this.#worker.on("exit", (code) => this.#fail(`the worker ended with code ${code}`));
  }

  request<R extends WorkerRequest>(
    request: R,
    path: string,
    code: string,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<WorkerResults[R["op"]]> {
    if (this.#failure !== undefined) {
      return Promise.reject(this.#failure);
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const settle = resolve as (value: WorkerResults[keyof WorkerResults]) => void;
      this.#pending.set(id, { resolve: settle, reject, path, code });
      this.#worker.ref();
      this.#worker.postMessage({ ...request, id }, transfer);
    });
  }

  #settle(response: WorkerResponse): void {
    const pending = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) {
      this.#worker.unref();
    }
    if (response.ok) {
      pending?.resolve(response.value);
    } else {
      pending?.reject(engineError(pending.path, pending.code, response.message));
    }
  }

  #fail(message: string, cause?: unknown): void {
    this.#failure ??= new BackendError(`${message}. Open the binding again.`, {
      code: "WORKER_FAILED",
      path: "onnxruntime",
      cause,
    });
    for (const pending of this.#pending.values()) {
      pending.reject(this.#failure);
    }
    this.#pending.clear();
  }
}

class NodeBinding implements OrtBinding {
  readonly kind = "onnxruntime-node";
  readonly version: string;
  readonly providers: readonly string[];
  readonly #link: WorkerLink;
  readonly #sessions = new Set<NodeSession>();
  readonly #creating = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  constructor(link: WorkerLink, version: string, providers: readonly string[]) {
    this.#link = link;
    this.version = version;
    this.providers = providers;
  }

  async createSession(model: Uint8Array, options: OrtSessionOptions): Promise<OrtSession> {
    if (this.#disposed !== undefined) {
      throw new BackendError("the binding is disposed. Open another one.", {
        code: "BINDING_DISPOSED",
        path: "onnxruntime.createSession",
      });
    }
    const creating = this.#create(model, options);
    this.#creating.add(creating);
    try {
      return await creating;
    } finally {
      this.#creating.delete(creating);
    }
  }

  async #create(model: Uint8Array, options: OrtSessionOptions): Promise<OrtSession> {
    // A copy of exactly the model: the view may lie in a pool, which messages would clone whole.
    const copy = new Uint8Array(model);
    const created = await this.#link.request(
      { op: "create", model: copy, options },
      "onnxruntime.createSession",
      "SESSION_REFUSED",
      [copy.buffer],
    );
    const session = new NodeSession(this.#link, created, (closed) => this.#sessions.delete(closed));
    this.#sessions.add(session);
    return session;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#release();
    return this.#disposed;
  }

  async #release(): Promise<void> {
    await Promise.allSettled(this.#creating);
    await Promise.all([...this.#sessions].map((session) => session.dispose()));
    // The worker ends by itself: stopping it from outside during native code would abort the process.
    await this.#link.request({ op: "close" }, "onnxruntime.dispose", "WORKER_FAILED").catch(() => undefined);
  }
}

let nextRun = 1;

class NodeSession implements OrtSession {
  readonly inputs: readonly OrtValueSpec[];
  readonly outputs: readonly OrtValueSpec[];
  readonly #link: WorkerLink;
  readonly #session: number;
  readonly #runs = new Set<NodeBoundRun>();
  readonly #onDispose: (session: NodeSession) => void;
  #disposed: Promise<void> | undefined;

  constructor(link: WorkerLink, created: WorkerResults["create"], onDispose: (session: NodeSession) => void) {
    this.#link = link;
    this.#session = created.session;
    this.inputs = created.inputs;
    this.outputs = created.outputs;
    this.#onDispose = onDispose;
  }

  bind(
    inputs: readonly MemoryRegion[],
    outputs: readonly MemoryRegion[],
    inPlace?: ReadonlyMap<number, number>,
  ): OrtBoundRun {
    if (this.#disposed !== undefined) {
      throw new BackendError("the session is disposed. Create another one.", {
        code: "SESSION_DISPOSED",
        path: "onnxruntime.bind",
      });
    }
    checkRegions(this, inputs, outputs, inPlace);
    const id = nextRun++;
    const bound = this.#link.request(
      { op: "bind", session: this.#session, run: id, inputs: inputs.map(describe), outputs: outputs.map(describe) },
      "onnxruntime.bind",
      "BIND_FAILED",
    );
    const run = new NodeBoundRun(this.#link, id, bound, inputs, outputs, (closed) => this.#runs.delete(closed));
    this.#runs.add(run);
    return run;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#release();
    return this.#disposed;
  }

  async #release(): Promise<void> {
    await Promise.all([...this.#runs].map((run) => run.dispose()));
    await this.#link.request({ op: "release", session: this.#session }, "onnxruntime.dispose", "ORT_CALL_FAILED");
    this.#onDispose(this);
  }
}

function describe(region: MemoryRegion): RegionMessage {
  const { dtype, shape, buffer, byteOffset } = region;
  const shared = buffer instanceof SharedArrayBuffer ? { buffer, byteOffset } : null;
  return { dtype, shape, byteLength: regionByteLength(region), shared };
}

function isShared(region: MemoryRegion): boolean {
  return region.buffer instanceof SharedArrayBuffer;
}

class NodeBoundRun implements OrtBoundRun {
  readonly #link: WorkerLink;
  readonly #id: number;
  readonly #bound: Promise<null>;
  readonly #inputs: readonly MemoryRegion[];
  readonly #outputs: readonly MemoryRegion[];
  readonly #onDispose: (run: NodeBoundRun) => void;
  #inFlight: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(
    link: WorkerLink,
    id: number,
    bound: Promise<null>,
    inputs: readonly MemoryRegion[],
    outputs: readonly MemoryRegion[],
    onDispose: (run: NodeBoundRun) => void,
  ) {
    this.#link = link;
    this.#id = id;
    this.#bound = bound;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#onDispose = onDispose;
    // A failed binding is reported by the first run.
    bound.catch(() => undefined);
  }

  async run(): Promise<void> {
    if (this.#disposed !== undefined) {
      throw new BackendError("the bound run is disposed. Bind again.", {
        code: "RUN_DISPOSED",
        path: "onnxruntime.run",
      });
    }
    if (this.#inFlight !== undefined) {
      throw new BackendError(
        "a bound run runs once at a time; one is in flight. Await it, or bind the session to other memory.",
        { code: "RUN_IN_PROGRESS", path: "onnxruntime.run" },
      );
    }
    checkAttached([...this.#inputs, ...this.#outputs]);
    this.#inFlight = this.#run();
    try {
      await this.#inFlight;
    } finally {
      this.#inFlight = undefined;
    }
  }

  terminate(): boolean {
    return false;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#release();
    return this.#disposed;
  }

  async #run(): Promise<void> {
    await this.#bound;
    const copies = this.#inputs.map((region) => (isShared(region) ? null : new Uint8Array(regionBytes(region)).buffer));
    const results = await this.#link.request(
      { op: "run", run: this.#id, inputs: copies },
      "onnxruntime.run",
      "RUN_FAILED",
      copies.filter((copy) => copy !== null),
    );
    this.#outputs.forEach((region, index) => {
      const result = results[index];
      if (result) {
        regionBytes(region).set(new Uint8Array(result));
      }
    });
  }

  async #release(): Promise<void> {
    // The caller of run() sees its error; here only its end matters.
    await this.#inFlight?.catch(() => undefined);
    await this.#link.request({ op: "unbind", run: this.#id }, "onnxruntime.dispose", "ORT_CALL_FAILED");
    this.#onDispose(this);
  }
}
