/** @file Messages between the main thread and the engine thread. */
import type { ErrorDetails } from "../../base/errors.ts";
import type { LibraryFacts } from "./binding/library.ts";
import type { Program } from "./program.ts";

/** What the engine thread says of itself. */
export interface EngineInfo extends LibraryFacts {
  /** Threads that primitives run on. */
  readonly threads: number;
  /** Whether the number of threads could be set; sequential and TBB builds choose it themselves. */
  readonly threadsSet: boolean;
}

/** A graph input or output: a memory made known before, and where in it. */
export interface RegionMessage {
  readonly memory: number;
  readonly byteOffset: number;
}

/** A program's inputs that hold the same numbers at every run, and the set that they belong to. */
export interface FixedMessage {
  readonly set: number;
  readonly regions: readonly (RegionMessage & { readonly input: number })[];
}

/** dtypes whose rate of matrix products is measured. */
export type RateDType = "f32" | "bf16";

export type ThreadRequest =
  | { readonly op: "open"; readonly threads: number; readonly libraryPath: string | undefined }
  | { readonly op: "compile"; readonly program: Program; readonly fixed: FixedMessage | undefined }
  | { readonly op: "unfix"; readonly set: number }
  /** `regions` of inputs, then outputs; left out when they are those of the run before. */
  | { readonly op: "run"; readonly program: number; readonly regions: readonly RegionMessage[] | undefined }
  | { readonly op: "profile"; readonly program: number }
  | { readonly op: "release"; readonly program: number }
  | { readonly op: "rate"; readonly dtype: RateDType }
  | { readonly op: "close" };

export interface ThreadResults {
  readonly open: EngineInfo;
  readonly compile: {
    readonly id: number;
    readonly implementations: readonly string[];
    readonly scratchpadBytes: number;
  };
  /** Seconds that the steps took in the engine thread. */
  readonly run: number;
  /** Seconds of every step. */
  readonly profile: readonly number[];
  readonly release: null;
  readonly unfix: null;
  /** 10⁹ floating-point operations a second. */
  readonly rate: number;
  readonly close: null;
}

export type ThreadMessage =
  | { readonly memory: number; readonly buffer: SharedArrayBuffer }
  | { readonly forget: readonly number[] }
  | { readonly id: number; readonly request: ThreadRequest };

/** An error that crossed the thread. */
export interface ThreadError {
  readonly message: string;
  readonly code: string;
  readonly path: string | undefined;
  readonly details: ErrorDetails;
}

export type ThreadResponse =
  | { readonly id: number; readonly ok: true; readonly value: ThreadResults[keyof ThreadResults] }
  | { readonly id: number; readonly ok: false; readonly error: ThreadError };
