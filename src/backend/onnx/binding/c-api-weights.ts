import { basename, dirname } from "node:path";
import type { MemoryRegion, OrtWeights } from "./binding.ts";
import { type CApiContext, createValue, receive } from "./c-api-session.ts";
import { checkStatus } from "./c-api-status.ts";
import type { Pointer } from "./c-api-table.ts";

const PATH = "onnxruntime.shareWeights";

/** Where the engine looks for the files of constants outside a model that it is given as bytes. */
const FOLDER_KEY = "session.model_external_initializers_file_folder_path";

/** Engine values over the caller's memory, and the container that keeps what kernels make of them. */
export class CApiWeights implements OrtWeights {
  readonly container: Pointer;
  /** The engine insists that the file exists, though it never opens it: its own library does. */
  readonly location: string;
  readonly #context: CApiContext;
  readonly #values = new Map<string, Pointer>();
  /** Keeps the memory from being collected while the engine has its address. */
  readonly #regions: ReadonlyMap<string, MemoryRegion>;
  #isDisposed = false;

  constructor(context: CApiContext, regions: ReadonlyMap<string, MemoryRegion>) {
    this.#context = context;
    this.#regions = regions;
    const { library } = context;
    this.location = basename(library.path);
    this.container = receive(library, PATH, (cell) => library.functions.createPrepackedWeightsContainer(cell));
    for (const [name, region] of regions) this.#values.set(name, createValue(context, region));
  }

  /** Gives all constants to a session that is about to be created. */
  addTo(sessionOptions: Pointer): void {
    const { library } = this.#context;
    const { functions } = library;
    checkStatus(library, functions.addSessionConfigEntry(sessionOptions, FOLDER_KEY, dirname(library.path)), PATH);
    for (const [name, value] of this.#values) {
      checkStatus(library, functions.addInitializer(sessionOptions, name, value), `${PATH}: ${name}`);
    }
  }

  dispose(): void {
    if (this.#isDisposed || this.#regions.size < 0) return;
    this.#isDisposed = true;
    const { functions } = this.#context.library;
    functions.releasePrepackedWeightsContainer(this.container);
    for (const value of this.#values.values()) functions.releaseValue(value);
  }
}
