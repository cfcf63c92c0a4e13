import { BackendError } from "../../../base/errors.ts";
import type { MemoryRegion, OrtBinding, OrtSession, OrtSessionOptions, OrtWeights } from "./binding.ts";
import { asyncCalls } from "./c-api-run.ts";
import { type CApiContext, CApiSession, receive } from "./c-api-session.ts";
import { checkStatus } from "./c-api-status.ts";
import { loadOrtLibrary, type OrtLibrary, type Pointer, type PointerOut } from "./c-api-table.ts";
import { CApiWeights } from "./c-api-weights.ts";

/** `OrtLoggingLevel`: fatal only, because every error also comes back as a status. */
const LOG_FATAL = 4;
/** `ExecutionMode`: one operator after another. */
const SEQUENTIAL = 0;
/** `GraphOptimizationLevel`. */
const OPTIMIZATION_LEVEL = { off: 0, basic: 1, all: 99 } as const;
/** `OrtAllocatorType` and `OrtMemType` of plain host memory. */
const DEVICE_ALLOCATOR = 0;
const ARENA_ALLOCATOR = 1;
/**
 * The arena asks the system for twice as much each time. Pages that nobody touches take no memory; and pieces of few large
 * regions join again, while regions of just the sizes of one batch's tensors are of no use to the next batch's.
 */
const IN_POWERS_OF_TWO = 0;
/** A free piece of the arena is cut when more than this would be left over. */
const MAX_DEAD_BYTES = 1 << 20;
const MEMORY_DEFAULT = 0;

/**
 * Opens the engine through its C API, without any self-test: a broken library crashes the process.
 * @throws {BackendError} ORT_LIBRARY_MISSING, ORT_API_VERSION; whatever koffi throws when it cannot load
 */
export async function openCApiBinding(): Promise<OrtBinding> {
  const library = await loadOrtLibrary();
  return new CApiBinding(library);
}

class CApiBinding implements OrtBinding {
  readonly kind = "c-api";
  readonly version: string;
  readonly providers: readonly string[];
  readonly #context: CApiContext;
  readonly #env: Pointer;
  readonly #sessions = new Set<CApiSession>();
  readonly #creating = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  constructor(library: OrtLibrary) {
    const ort = library.functions;
    const path = "onnxruntime.open";
    this.version = library.version;
    this.#env = receive(library, path, (cell) => ort.createEnv(LOG_FATAL, "firth", cell));
    this.#context = {
      library,
      memoryInfo: receive(library, path, (cell) => ort.createCpuMemoryInfo(DEVICE_ALLOCATOR, MEMORY_DEFAULT, cell)),
      allocator: receive(library, path, (cell) => ort.getAllocatorWithDefaultOptions(cell)),
    };
    this.providers = readProviders(library);
    shareArena(this.#context.library, this.#env);
  }

  readonly shareWeights = (regions: ReadonlyMap<string, MemoryRegion>): OrtWeights =>
    new CApiWeights(this.#context, regions);

  async createSession(model: Uint8Array, options: OrtSessionOptions, weights?: OrtWeights): Promise<OrtSession> {
    if (this.#disposed !== undefined) {
      throw new BackendError("the binding is disposed. Open another one.", {
        code: "BINDING_DISPOSED",
        path: "onnxruntime.createSession",
      });
    }
    const creating = this.#createSession(model, options, weights);
    this.#creating.add(creating);
    try {
      return await creating;
    } finally {
      this.#creating.delete(creating);
    }
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#release();
    return this.#disposed;
  }

  async #createSession(model: Uint8Array, options: OrtSessionOptions, weights?: OrtWeights): Promise<OrtSession> {
    const { library } = this.#context;
    const ort = library.functions;
    const shared = weights instanceof CApiWeights ? weights : undefined;
    const sessionOptions = createOptions(library, options, shared);
    await asyncCalls.acquire();
    try {
      // A view of its own: small typed arrays move in the garbage collector until their buffer is asked for.
      const bytes = new Uint8Array(model.buffer, model.byteOffset, model.byteLength);
      const cell: PointerOut = [null];
      const status = await new Promise<Pointer>((resolve, reject) => {
        const settle = (error: unknown, result: Pointer) => {
          // Mentioning the bytes here keeps them alive until the engine has read them.
          if (error || bytes.buffer.byteLength < 0) {
            reject(error);
          } else {
            resolve(result);
          }
        };
        const given = [this.#env, library.addressOf(bytes), bytes.byteLength, sessionOptions] as const;
        if (shared === undefined) ort.createSessionFromArray.async(...given, cell, settle);
        else ort.createSessionFromArrayWithPrepackedWeightsContainer.async(...given, shared.container, cell, settle);
      });
      checkStatus(library, status, "onnxruntime.createSession", "SESSION_REFUSED");
      try {
        const session = new CApiSession(this.#context, cell[0], (closed) => this.#sessions.delete(closed));
        this.#sessions.add(session);
        return session;
      } catch (error) {
        ort.releaseSession(cell[0]);
        throw error;
      }
    } finally {
      asyncCalls.release();
      ort.releaseSessionOptions(sessionOptions);
    }
  }

  async #release(): Promise<void> {
    await Promise.allSettled(this.#creating);
    await Promise.all([...this.#sessions].map((session) => session.dispose()));
    const ort = this.#context.library.functions;
    ort.releaseMemoryInfo(this.#context.memoryInfo);
    ort.releaseEnv(this.#env);
  }
}

/**
 * Gives all sessions one arena for intermediate results: few run at the same time, so each may use what another used
 * before.
 */
function shareArena(library: OrtLibrary, env: Pointer): void {
  const ort = library.functions;
  const path = "onnxruntime.open: arena";
  const arena = receive(library, path, (cell) => ort.createArenaCfg(0, IN_POWERS_OF_TWO, -1, MAX_DEAD_BYTES, cell));
  const memoryInfo = receive(library, path, (cell) => ort.createCpuMemoryInfo(ARENA_ALLOCATOR, MEMORY_DEFAULT, cell));
  const status = ort.createAndRegisterAllocator(env, memoryInfo, arena);
  // The engine's environment is one for the process: another binding may have given it an arena already.
  if (status !== null) ort.releaseStatus(status);
  ort.releaseMemoryInfo(memoryInfo);
  ort.releaseArenaCfg(arena);
}

function readProviders(library: OrtLibrary): string[] {
  const ort = library.functions;
  const names: PointerOut = [null];
  const count: [number] = [0];
  checkStatus(library, ort.getAvailableProviders(names, count), "onnxruntime.open");
  const providers = library.readStrings(names[0], count[0]);
  checkStatus(library, ort.releaseAvailableProviders(names[0], count[0]), "onnxruntime.open");
  return providers;
}

function createOptions(library: OrtLibrary, options: OrtSessionOptions, weights: CApiWeights | undefined): Pointer {
  const ort = library.functions;
  const path = "onnxruntime.createSession: options";
  const pointer = receive(library, path, (cell) => ort.createSessionOptions(cell));
  const set = (status: Pointer) => checkStatus(library, status, path);
  try {
    set(ort.setSessionExecutionMode(pointer, SEQUENTIAL));
    set(ort.setIntraOpNumThreads(pointer, options.intraOpThreads));
    set(ort.setInterOpNumThreads(pointer, 1));
    set(ort.addSessionConfigEntry(pointer, "session.use_env_allocators", "1"));
    set(ort.setSessionGraphOptimizationLevel(pointer, OPTIMIZATION_LEVEL[options.graphOptimization ?? "all"]));
    if (options.memoryArena === false) {
      set(ort.disableCpuMemArena(pointer));
    }
    if (options.memoryPattern === false) {
      set(ort.disableMemPattern(pointer));
    }
    if (options.profileFilePrefix !== undefined) {
      set(ort.enableProfiling(pointer, options.profileFilePrefix));
    }
    for (const [key, value] of Object.entries(options.config ?? {})) {
      set(ort.addSessionConfigEntry(pointer, key, value));
    }
    weights?.addTo(pointer);
    return pointer;
  } catch (error) {
    ort.releaseSessionOptions(pointer);
    throw error;
  }
}
