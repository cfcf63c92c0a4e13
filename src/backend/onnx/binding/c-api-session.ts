import { BackendError } from "../../../base/errors.ts";
import { ELEMENT_TYPES, elementTypeOfCode } from "../proto/element-type.ts";
import type { MemoryRegion, OrtBoundRun, OrtSession, OrtValueSpec } from "./binding.ts";
import { CApiBoundRun } from "./c-api-run.ts";
import { checkStatus } from "./c-api-status.ts";
import type { OrtLibrary, Pointer, PointerOut } from "./c-api-table.ts";
import { checkRegions, regionBytes } from "./region.ts";

/** Engine-wide objects that every session of one binding uses. */
export interface CApiContext {
  readonly library: OrtLibrary;
  readonly memoryInfo: Pointer;
  readonly allocator: Pointer;
}

/** Calls `read` with a cell that the engine fills, and returns what it put there. */
export function receive(library: OrtLibrary, path: string, read: (cell: PointerOut) => Pointer): Pointer {
  const cell: PointerOut = [null];
  checkStatus(library, read(cell), path);
  return cell[0];
}

function receiveNumber(library: OrtLibrary, path: string, read: (cell: [number]) => Pointer): number {
  const cell: [number] = [0];
  checkStatus(library, read(cell), path);
  return cell[0];
}

/** Name, type and shape of every input or output of a session. */
function readSpecs(context: CApiContext, session: Pointer, side: "input" | "output"): OrtValueSpec[] {
  const { library, allocator } = context;
  const ort = library.functions;
  const path = `onnxruntime.createSession: ${side}s`;
  const isInput = side === "input";
  const [getCount, getName, getInfo] = isInput
    ? [ort.sessionGetInputCount, ort.sessionGetInputName, ort.sessionGetInputTypeInfo]
    : [ort.sessionGetOutputCount, ort.sessionGetOutputName, ort.sessionGetOutputTypeInfo];
  const count = receiveNumber(library, path, (cell) => getCount(session, cell));
  return Array.from({ length: count }, (_, index) => {
    const namePointer = receive(library, path, (cell) => getName(session, index, allocator, cell));
    const name = library.readString(namePointer);
    checkStatus(library, ort.allocatorFree(allocator, namePointer), path);
    const info = receive(library, path, (cell) => getInfo(session, index, cell));
    try {
      const tensor = receive(library, path, (cell) => ort.castTypeInfoToTensorInfo(info, cell));
      const code = tensor === null ? 0 : receiveNumber(library, path, (cell) => ort.getTensorElementType(tensor, cell));
      const dtype = elementTypeOfCode(code);
      if (dtype === undefined) {
        throw new BackendError(`element type ${code} of "${name}" is not supported. Use numeric tensors.`, {
          code: "UNSUPPORTED_ELEMENT_TYPE",
          path,
        });
      }
      const rank = receiveNumber(library, path, (cell) => ort.getDimensionsCount(tensor, cell));
      const dimensions = new BigInt64Array(rank);
      checkStatus(library, ort.getDimensions(tensor, dimensions, rank), path);
      return { name, dtype, shape: [...dimensions].map(Number) };
    } finally {
      ort.releaseTypeInfo(info);
    }
  });
}

/**
 * Options of a session's first run. It allocates piece by piece and so learns a layout; all later runs take that layout as
 * one block, and what the first one used would lie idle beside it.
 */
function shrinkingOptions(library: OrtLibrary): Pointer {
  const ort = library.functions;
  const path = "onnxruntime.bind";
  const options = receive(library, path, (cell) => ort.createRunOptions(cell));
  checkStatus(library, ort.addRunConfigEntry(options, "memory.enable_memory_arena_shrinkage", "cpu:0"), path);
  return options;
}

/** A session of the C API; owns its bindings and its native session. */
export class CApiSession implements OrtSession {
  readonly inputs: readonly OrtValueSpec[];
  readonly outputs: readonly OrtValueSpec[];
  readonly #context: CApiContext;
  readonly #runs = new Set<CApiBoundRun>();
  readonly #onDispose: (session: CApiSession) => void;
  #session: Pointer;
  /** Whether no binding has been made: the first run finds out how memory is best laid out. */
  #isNew = true;
  #disposed: Promise<void> | undefined;

  constructor(context: CApiContext, session: Pointer, onDispose: (session: CApiSession) => void) {
    this.#context = context;
    this.#session = session;
    this.#onDispose = onDispose;
    this.inputs = readSpecs(context, session, "input");
    this.outputs = readSpecs(context, session, "output");
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
    const { library } = this.#context;
    const ort = library.functions;
    const path = "onnxruntime.bind";
    const values: Pointer[] = [];
    const binding = receive(library, path, (cell) => ort.createIoBinding(this.#session, cell));
    try {
      this.inputs.forEach((spec, index) => {
        const value = createValue(this.#context, inputs[index]!);
        values.push(value);
        checkStatus(library, ort.bindInput(binding, spec.name, value), path);
      });
      this.outputs.forEach((spec, index) => {
        const value = createValue(this.#context, outputs[index]!);
        values.push(value);
        checkStatus(library, ort.bindOutput(binding, spec.name, value), path);
      });
      const runOptions = receive(library, path, (cell) => ort.createRunOptions(cell));
      const firstOptions = this.#isNew ? shrinkingOptions(library) : undefined;
      this.#isNew = false;
      const run = new CApiBoundRun(
        library,
        { session: this.#session, binding, runOptions, firstOptions, values },
        [...inputs, ...outputs],
        (closed) => this.#runs.delete(closed),
      );
      this.#runs.add(run);
      return run;
    } catch (error) {
      ort.releaseIoBinding(binding);
      values.forEach((value) => {
        ort.releaseValue(value);
      });
      throw error;
    }
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#release();
    return this.#disposed;
  }

  async #release(): Promise<void> {
    await Promise.all([...this.#runs].map((run) => run.dispose()));
    this.#context.library.functions.releaseSession(this.#session);
    this.#session = null;
    this.#onDispose(this);
  }
}

/** An engine value over the region's own memory. */
export function createValue({ library, memoryInfo }: CApiContext, region: MemoryRegion): Pointer {
  const bytes = regionBytes(region);
  // An empty view may have no address, and the engine wants one even for zero elements.
  const data = library.addressOf(bytes.byteLength === 0 ? EMPTY : bytes);
  const shape = BigInt64Array.from(region.shape, BigInt);
  const { code } = ELEMENT_TYPES[region.dtype];
  return receive(library, "onnxruntime.bind", (cell) =>
    library.functions.createTensorWithDataAsOrtValue(
      memoryInfo,
      data,
      bytes.byteLength,
      shape,
      shape.length,
      code,
      cell,
    ),
  );
}

/** Stands for the memory of tensors without elements; never written. */
const EMPTY = new Uint8Array(new ArrayBuffer(64));
