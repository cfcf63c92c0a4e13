/** @file Memory and pointwise kernels for engines on the CPU. */
export {
  compilePointwise,
  type Kernel,
  type PointwiseInput,
  type PointwiseOutput,
  type PointwiseProgram,
} from "./compile-pointwise.ts";
export { createMemory, MemoryBuffer, MemoryPool, maxMemoryBytes, type Region } from "./memory.ts";
export { foldIn, type Key, type MaskFill, MaskWriter, randomBitsAt } from "./random-mask.ts";
export { MemoryStore, type StoreOptions, type StorePart } from "./store.ts";
export { compileSweep } from "./sweep.ts";
export { KernelTeam, type Piece, pieceElements, type TeamOptions } from "./team.ts";
