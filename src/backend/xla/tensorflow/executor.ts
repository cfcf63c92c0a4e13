/**
 * @file TensorFlow's library as an executor: StableHLO text on the CPU, in f32 and bf16, without any plugin.
 *
 * A module becomes a function of one `XlaCallModule` node that must be compiled. TensorFlow keeps what was compiled by the
 * function's name, so that only the first run compiles. It frees the machine code with the executor, not with the program.
 */
import { availableParallelism } from "node:os";
import { BackendError } from "../../../base/errors.ts";
import type { DType, HostData, TensorType } from "../../../ir/dtype.ts";
import { formatType, sizeOf } from "../../../ir/shape.ts";
import type { ExecutorFacts, Sharding, XlaExecutor, XlaProgram } from "../executor.ts";
import type { Address } from "../pjrt/native.ts";
import { type ExecutableSurroundings, TensorFlowExecutable } from "./executable.ts";
import { contextConfig, functionDefinition } from "./function-definition.ts";
import { openTensorFlowLibrary, Status, type TensorFlowLibrary } from "./library.ts";
import { bytesOf, createTensor, TensorFlowArray } from "./tensor.ts";

export interface TensorFlowOptions {
  /** The file libtensorflow_cc.so.2, with libtensorflow_framework.so.2 beside it. */
  readonly libraryPath: string;
  /** Threads of a run; all processors when left out. */
  readonly threads?: number | undefined;
}

const DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0";
const computeDtypes: readonly DType[] = ["f32", "bf16"];

/** The bytes of a buffer that no other buffer shares, so that their address holds. */
function pinned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(Math.max(1, bytes.length)));
  copy.set(bytes);
  return copy.subarray(0, bytes.length);
}

function createContext(library: TensorFlowLibrary, threads: number): Address {
  const { functions, native } = library;
  const options = functions.TFE_NewContextOptions();
  const status = new Status(library);
  try {
    const config = pinned(contextConfig(threads));
    const address = native.addressOf(config.buffer);
    functions.TFE_ContextOptionsSetConfig(options, address, config.length, status.address);
    status.check("setting the number of threads");
    const context = functions.TFE_NewContext(options, status.address);
    status.check("opening TensorFlow");
    return context;
  } finally {
    functions.TFE_DeleteContextOptions(options);
    status.dispose();
  }
}

class TensorFlowExecutor implements XlaExecutor {
  readonly facts: ExecutorFacts;
  readonly computeDtypes = computeDtypes;
  private readonly library: TensorFlowLibrary;
  private readonly context: Address;
  private readonly surroundings: ExecutableSurroundings;
  private readonly arrays = new Set<TensorFlowArray>();
  private readonly executables = new Set<TensorFlowExecutable>();
  private tail: Promise<unknown> = Promise.resolve();
  private nextFunction = 1;
  private disposed: Promise<void> | undefined;

  constructor(library: TensorFlowLibrary, threads: number) {
    this.library = library;
    this.context = createContext(library, threads);
    this.facts = {
      library: "tensorflow",
      platform: "cpu",
      description: `XLA of TensorFlow ${library.version}, CPU`,
      devices: 1,
      deviceBytes: undefined,
      customCalls: new Set(),
    };
    this.surroundings = {
      library,
      context: this.context,
      device: DEVICE,
      inTurn: (work) => {
        const turn = this.tail.then(work);
        this.tail = turn.catch(() => undefined);
        return turn;
      },
      adopt: (handle, type) => this.adopt(handle, type),
    };
  }

  private adopt(handle: Address, type: TensorType): TensorFlowArray {
    const array = new TensorFlowArray(this.library, type, handle, (freed) => this.arrays.delete(freed));
    this.arrays.add(array);
    return array;
  }

  private requireUsable(): void {
    if (this.disposed === undefined) return;
    throw new BackendError("the engine was disposed and is used again.", { code: "ENGINE_DISPOSED", path: "xla" });
  }

  async compile(program: XlaProgram): Promise<TensorFlowExecutable> {
    this.requireUsable();
    if (program.partitions !== 1) {
      const message = `TensorFlow's library runs a program on one device; this one wants ${program.partitions}. Use a PJRT plugin.`;
      throw new BackendError(message, { code: "PARTITIONS_UNSUPPORTED", path: `program "${program.name}"` });
    }
    const name = `firth_${this.nextFunction++}`;
    const { functions, native } = this.library;
    const definition = pinned(functionDefinition(name, program));
    const status = new Status(this.library);
    try {
      const address = native.addressOf(definition.buffer);
      functions.TFE_ContextAddFunctionDef(this.context, address, definition.length, status.address);
      status.check(`adding the program "${program.name}"`);
    } finally {
      status.dispose();
    }
    const { text: _, ...rest } = program;
    const executable = new TensorFlowExecutable(rest, name, this.surroundings);
    this.executables.add(executable);
    return executable;
  }

  upload(data: HostData, type: TensorType, sharding: Sharding = "replicated"): TensorFlowArray {
    this.requireUsable();
    if (sharding !== "replicated") {
      const message = `TensorFlow's library has one device; ${formatType(type)} cannot be cut along axis ${sharding.axis}.`;
      throw new BackendError(message, { code: "PARTITIONS_UNSUPPORTED", path: "xla" });
    }
    if (data.byteLength !== bytesOf(type)) {
      const message = `${formatType(type)} holds ${sizeOf(type.shape)} elements in ${bytesOf(type)} bytes; got ${data.byteLength}.`;
      throw new BackendError(message, { code: "BUFFER_DATA_MISMATCH", path: "xla" });
    }
    return this.adopt(createTensor(this.library, type, data), type);
  }

  dispose(): Promise<void> {
    this.disposed ??= this.release();
    return this.disposed;
  }

  private async release(): Promise<void> {
    await this.tail;
    for (const executable of this.executables) await executable.dispose();
    // The context must be the last to go.
    for (const array of [...this.arrays]) array.dispose();
    this.library.functions.TFE_DeleteContext(this.context);
  }
}

/**
 * Opens TensorFlow's library as an executor, without any self-test: see `openTensorFlow`.
 * @throws {BackendError} XLA_PLATFORM, XLA_LIBRARY_MISSING, XLA_LIBRARY_BROKEN; XLA_THREADS
 */
export async function openUntested({ libraryPath, threads }: TensorFlowOptions): Promise<XlaExecutor> {
  const count = threads ?? availableParallelism();
  if (!Number.isInteger(count) || count < 1) {
    throw new BackendError(`threads must be a whole number of 1 or more; got ${count}.`, {
      code: "XLA_THREADS",
      path: "xla",
    });
  }
  return new TensorFlowExecutor(await openTensorFlowLibrary(libraryPath), count);
}
