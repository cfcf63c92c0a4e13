/** @file What a graph becomes: a StableHLO module with what an executor must know of it, and what may be chosen. */
import type { Graph } from "../../../ir/graph.ts";
import type { Partitioning } from "../../backend.ts";
import type { Partitioner, XlaProgram } from "../executor.ts";

export interface LowerOptions {
  /** Names of outputs by the names of the inputs whose memory they take. Types and shardings of both must be the same. */
  readonly donations?: ReadonlyMap<string, string> | undefined;
  /** One device when left out. */
  readonly partitioning?: Partitioning | undefined;
  /** Who divides the module among several devices, whose notation it must have; `gspmd` by default. */
  readonly partitioner?: Partitioner | undefined;
  /** Calls that the compiler has kernels for (`ExecutorFacts.customCalls`); without them attention is written out. */
  readonly customCalls?: ReadonlySet<string> | undefined;
  /** Whether products of f32 are in f32, or what the device prefers (TF32 on NVIDIA's); `full` by default. */
  readonly f32Products?: "full" | "fast" | undefined;
  /**
   * Most rows of a table whose gradient is a product with one-hot rows: on devices where many additions to one place
   * wait for each other. 0 by default: always a scatter.
   */
  readonly oneHotRows?: number | undefined;
  /** Whether lines say where they were traced, for the compiler's messages and profiles; true by default. */
  readonly locations?: boolean | undefined;
}

/** A program with the names of its parameters and results, which are all those of the graph, in its order. */
export interface LoweredModule extends XlaProgram {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** What became of attention, for reports: nodes that use a fused kernel, and nodes that are written out. */
  readonly attention: { readonly fused: number; readonly exact: number };
}

/**
 * Translates a graph into StableHLO text. Every composite is taken as it is (`fuses` may say yes to all).
 * @throws {BackendError} UNSUPPORTED_NODE naming the node; DONATION_INVALID, SHARDING_INVALID naming inputs and outputs
 */
export type LowerToStableHlo = (graph: Graph, options?: LowerOptions) => LoweredModule;
