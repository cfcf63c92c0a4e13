/** @file How much memory a training run will take at its peak, told before its first step. */
import { ConfigError } from "../base/errors.ts";
import { availableBytes, residentBytes } from "../base/machine-memory.ts";
import type { Batch } from "../data/batch.ts";
import { batchSignature } from "../data/batch.ts";
import type { ProgramMemory } from "./batch-program.ts";

/** Bytes by what they are for. */
export interface MemoryEstimate {
  /** The process before training: the language's runtime, libraries, data, the weights the run starts from. */
  readonly processBytes: number;
  /** Weights, gradients and optimizer state. */
  readonly parameterBytes: number;
  /** Intermediate results, at the moment when there are most. */
  readonly activationBytes: number;
  /** Dropout masks, constants, compiled graphs, inputs and results. */
  readonly otherBytes: number;
  readonly totalBytes: number;
}

export interface MemoryFacts {
  /** Resident before there is a store. */
  readonly processBytes: number;
  readonly parameterBytes: number;
  /** Copies for the host: the weights that a run gives back at its end. */
  readonly copiedBytes?: number;
}

/** Allowance for threads, compiled code and garbage that come with the first steps; `bench/memory.ts` shows what it is worth. */
const START_BYTES = 60e6;

/**
 * The peak of a run that makes these batches.
 * @param batches those that run at the same time as one list
 * @param memoryFor what a batch's graph takes
 * @returns undefined when the engine cannot tell
 */
export function estimateMemory(
  batches: readonly (readonly Batch[])[],
  memoryFor: (batch: Batch) => ProgramMemory | undefined,
  facts: MemoryFacts,
): MemoryEstimate | undefined {
  const { processBytes, parameterBytes, copiedBytes = 0 } = facts;
  let [activationBytes, otherBytes] = [0, START_BYTES + copiedBytes];
  const known = new Set<string>();
  for (const together of batches) {
    let workBytes = 0;
    for (const batch of together) {
      const memory = memoryFor(batch);
      if (memory === undefined) return undefined;
      workBytes += memory.workBytes;
      const signature = batchSignature(batch);
      if (!known.has(signature)) otherBytes += memory.heldBytes + memory.bufferBytes;
      known.add(signature);
    }
    activationBytes = Math.max(activationBytes, workBytes);
  }
  return {
    processBytes,
    parameterBytes,
    activationBytes,
    otherBytes,
    totalBytes: processBytes + parameterBytes + activationBytes + otherBytes,
  };
}

/** `4.6 GB`, or `620 MB`. */
function inWords(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

/** `about 4.6 GB at the peak: 1.8 GB weights and optimizer state, 0.8 GB activations, …`. */
export function memoryText(estimate: MemoryEstimate): string {
  const { totalBytes, parameterBytes, activationBytes, otherBytes, processBytes } = estimate;
  const parts = [
    `${inWords(parameterBytes)} weights, gradients and optimizer state`,
    `${inWords(activationBytes)} activations`,
    `${inWords(otherBytes)} masks and buffers`,
    `${inWords(processBytes)} before`,
  ];
  return `about ${inWords(totalBytes)} at the peak: ${parts.join(", ")}`;
}

/**
 * Refuses a run that the machine has no memory for.
 * @param free what the process may take, what it holds included; found out when left out
 * @throws {ConfigError} MEMORY_EXCEEDED with the bytes needed and the settings that shrink it
 */
export function requireMemory(
  estimate: MemoryEstimate,
  settings: { readonly recomputeLayers: boolean },
  free: number = availableBytes() + residentBytes(),
): void {
  const { totalBytes, activationBytes, otherBytes, parameterBytes } = estimate;
  if (totalBytes <= free) return;
  const fixed = totalBytes - activationBytes - otherBytes;
  const fixes = [
    ...(settings.recomputeLayers ? [] : ["set recomputeLayers: true"]),
    "raise gradientAccumulationSteps",
    "lower batchSize",
  ];
  const fix =
    fixed >= free
      ? `Weights, gradients and optimizer state alone take ${inWords(parameterBytes)}: use a smaller model.`
      : `To shrink it, ${fixes.slice(0, -1).join(" or ")}, or ${fixes.at(-1)}.`;
  throw new ConfigError("train", [
    {
      path: "memory",
      message: `the run needs ${Math.ceil(totalBytes)} bytes (${memoryText(estimate)}); the machine has ${Math.floor(free)} (${inWords(free)}). ${fix}`,
      code: "MEMORY_EXCEEDED",
    },
  ]);
}
