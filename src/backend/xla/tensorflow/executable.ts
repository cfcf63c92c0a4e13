import { BackendError } from "../../../base/errors.ts";
import { formatType, sameType } from "../../../ir/shape.ts";
import type { DeviceArray, XlaExecutable, XlaProgram } from "../executor.ts";
import type { Address } from "../pjrt/native.ts";
import { codes } from "./function-table.ts";
import { Status, TensorFlowFailure, type TensorFlowLibrary } from "./library.ts";
import { TensorFlowArray } from "./tensor.ts";

/** What an executable shares with its executor. */
export interface ExecutableSurroundings {
  readonly library: TensorFlowLibrary;
  readonly context: Address;
  /** The name of the one device. */
  readonly device: string;
  /** Lets the work of all executables wait for each other: each takes all threads. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  readonly adopt: (handle: Address, type: XlaProgram["outputs"][number]) => TensorFlowArray;
}

/** Codes by which TensorFlow refuses a module that it cannot translate. */
const refusals: readonly number[] = [codes.invalidArgument, codes.notFound, codes.unimplemented];
/** Compilers may print a whole program. */
const MOST_WORDS = 4000;

/** A function of TensorFlow; XLA compiles it in its first run. */
export class TensorFlowExecutable implements XlaExecutable {
  readonly memory = undefined;
  private readonly program: Omit<XlaProgram, "text">;
  private readonly name: string;
  private readonly surroundings: ExecutableSurroundings;
  private hasRun = false;
  private isDisposed = false;
  private tail: Promise<unknown> = Promise.resolve();

  /** @param name that the function was added to the context by */
  constructor(program: Omit<XlaProgram, "text">, name: string, surroundings: ExecutableSurroundings) {
    this.program = program;
    this.name = name;
    this.surroundings = surroundings;
  }

  /** @throws {BackendError} also XLA_COMPILE_FAILED, in the first run */
  async run(inputs: readonly DeviceArray[]): Promise<readonly DeviceArray[]> {
    const arrays = this.checked(inputs);
    const { library } = this.surroundings;
    const status = new Status(library);
    let operation: Address = 0;
    try {
      // The operation holds on to the tensors from here on.
      operation = this.prepare(arrays, status);
      const execution = this.surroundings.inTurn(() => this.execute(operation, status));
      this.tail = execution.catch(() => undefined);
      const handles = await execution;
      this.hasRun = true;
      return handles.map((handle, i) => this.surroundings.adopt(handle, this.program.outputs[i]!));
    } catch (error) {
      throw this.described(error);
    } finally {
      for (const index of this.program.donated) arrays[index]!.dispose();
      if (operation !== 0) library.functions.TFE_DeleteOp(operation);
      status.dispose();
    }
  }

  private checked(inputs: readonly DeviceArray[]): TensorFlowArray[] {
    const path = `program "${this.program.name}"`;
    if (this.isDisposed) {
      throw new BackendError("was disposed and is run again.", { code: "EXECUTABLE_DISPOSED", path });
    }
    const expected = this.program.inputs;
    if (inputs.length !== expected.length) {
      const message = `takes ${expected.length} arrays; got ${inputs.length}.`;
      throw new BackendError(message, { code: "RUN_TYPES", path });
    }
    return inputs.map((input, i) => {
      if (input instanceof TensorFlowArray && sameType(input, expected[i]!)) {
        input.use();
        return input;
      }
      const whose = input instanceof TensorFlowArray ? "" : " of another executor";
      const message = `input ${i} is ${formatType(expected[i]!)}; got ${formatType(input)}${whose}.`;
      throw new BackendError(message, { code: "RUN_TYPES", path });
    });
  }

  private prepare(arrays: readonly TensorFlowArray[], status: Status): Address {
    const { library, context, device } = this.surroundings;
    const { TFE_NewOp, TFE_OpSetDevice, TFE_OpAddInput, TFE_DeleteOp } = library.functions;
    const operation = TFE_NewOp(context, this.name, status.address);
    status.check("preparing a run");
    try {
      TFE_OpSetDevice(operation, device, status.address);
      status.check("choosing the device");
      for (const array of arrays) {
        TFE_OpAddInput(operation, array.use(), status.address);
        status.check("giving an input");
      }
      return operation;
    } catch (error) {
      TFE_DeleteOp(operation);
      throw error;
    }
  }

  private async execute(operation: Address, status: Status): Promise<Address[]> {
    const { functions, native } = this.surroundings.library;
    const count = this.program.outputs.length;
    const results = new BigUint64Array(new ArrayBuffer(8 * Math.max(1, count)));
    const counted = Int32Array.of(count);
    // Held by their names until the call is over: the garbage collector does not see addresses.
    const places = [native.addressOf(results.buffer), native.addressOf(counted.buffer)] as const;
    await new Promise<void>((resolve, reject) => {
      functions.TFE_Execute.async(operation, ...places, status.address, (error: unknown) => {
        if (error) reject(error);
        else resolve();
      });
    });
    status.check("a run");
    if (counted[0] !== count) {
      throw new TensorFlowFailure("a run", codes.invalidArgument, `${counted[0]} results instead of ${count}`);
    }
    return Array.from(results.subarray(0, count), Number);
  }

  private described(error: unknown): unknown {
    if (!(error instanceof TensorFlowFailure)) return error;
    const { status, words } = error;
    const text = words.length <= MOST_WORDS ? words : `${words.slice(0, MOST_WORDS)} … (${words.length} characters)`;
    const facts = { path: `program "${this.program.name}"`, cause: error, details: { status, words } };
    if (status === codes.resourceExhausted) {
      const message = `the run needs more memory than there is: ${text}. Use a smaller batch or model.`;
      return new BackendError(message, { ...facts, code: "OUT_OF_MEMORY" });
    }
    if (!this.hasRun && refusals.includes(status)) {
      return new BackendError(`XLA does not compile it: ${text}`, { ...facts, code: "XLA_COMPILE_FAILED" });
    }
    return new BackendError(`the run failed: ${text}`, { ...facts, code: "XLA_RUN_FAILED" });
  }

  async dispose(): Promise<void> {
    if (this.isDisposed) return;
    this.isDisposed = true;
    await this.tail;
    const { library, context } = this.surroundings;
    const status = new Status(library);
    library.functions.TFE_ContextRemoveFunction(context, this.name, status.address);
    status.dispose();
  }
}
