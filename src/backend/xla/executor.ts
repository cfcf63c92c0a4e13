/**
 * @file What the XLA engine needs of a library that runs StableHLO text: a PJRT plugin, or TensorFlow's library on CPUs.
 *
 * Arrays are values: an executable takes arrays and gives new ones. An array that is donated gives its memory to a
 * result and is gone after the run. The engine's buffers are names for arrays (`buffer.ts`), which is where writing happens.
 */
import type { DType, HostData, TensorType } from "../../ir/dtype.ts";

/** How a tensor lies on the devices: a copy on each, or cut into equal parts along one axis. */
export type Sharding = "replicated" | { readonly axis: number };

/**
 * What of XLA divides a program among devices: Shardy, or GSPMD, which it takes the place of. Each reads shardings of its own
 * notation in a text.
 */
export type Partitioner = "gspmd" | "shardy";

/** One compiled unit: a StableHLO module whose public function is `main`. */
export interface XlaProgram {
  readonly name: string;
  readonly text: string;
  /** Types of the whole tensors, whatever their sharding. */
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  /** Inputs whose memory results may take; the text says which result takes which. */
  readonly donated: readonly number[];
  /** Devices that share the work; 1 without sharding. The text carries the shardings of inputs and outputs. */
  readonly partitions: number;
  readonly inputShardings: readonly Sharding[];
  readonly outputShardings: readonly Sharding[];
}

/** A tensor on one device, or on all that an executor uses. */
export interface DeviceArray extends TensorType {
  readonly sharding: Sharding;
  /** Copies the whole tensor out. */
  read(): Promise<HostData>;
  /** Frees it; again does nothing. */
  dispose(): void;
}

/** What a compiled program takes, in bytes a device; undefined where the library does not tell. */
export interface ProgramMemory {
  readonly argumentBytes: number;
  readonly outputBytes: number;
  readonly temporaryBytes: number;
  readonly codeBytes: number;
  /** Bytes of arguments whose memory results take. */
  readonly aliasBytes: number;
}

export interface XlaExecutable {
  readonly memory: ProgramMemory | undefined;
  /**
   * Starts a run, whose results are ready once they are read or used. Donated inputs may not be used again.
   * @throws {BackendError} OUT_OF_MEMORY with the bytes asked for and those there are; XLA_RUN_FAILED
   */
  run(inputs: readonly DeviceArray[]): Promise<readonly DeviceArray[]>;
  dispose(): Promise<void>;
}

/** What a library says of itself. */
export interface ExecutorFacts {
  /** `pjrt` or `tensorflow`. */
  readonly library: string;
  /** `cpu`, `cuda`, `tpu`, … as the library calls it, in lower case. */
  readonly platform: string;
  /** Library, its version, its devices: for people. */
  readonly description: string;
  readonly devices: number;
  /** Memory of a device where the library tells. */
  readonly deviceBytes: number | undefined;
  /** Calls that the compiler of this platform has fused kernels for, by the name of the StableHLO custom call. */
  readonly customCalls: ReadonlySet<string>;
  /** What divides programs that several devices share; undefined where there is one device. */
  readonly partitioner?: Partitioner | undefined;
}

export interface XlaExecutor {
  readonly facts: ExecutorFacts;
  readonly computeDtypes: readonly DType[];
  /** @throws {BackendError} XLA_COMPILE_FAILED with the compiler's words */
  compile(program: XlaProgram): Promise<XlaExecutable>;
  /** Copies host data to the devices; the data may change after the call. Lengths must agree. */
  upload(data: HostData, type: TensorType, sharding?: Sharding): DeviceArray;
  dispose(): Promise<void>;
}
