/** @file Fills the dropout masks of a run before it starts. */
import { evaluateOnHost, type PlannedMask } from "./mask-plan.ts";
import type { MemoryBuffer } from "./memory.ts";
import type { Key, MaskWriter } from "./random-mask.ts";

/** A mask with the memory that the engine reads it from. */
export interface BoundMask {
  readonly plan: PlannedMask;
  readonly buffer: MemoryBuffer;
}

/** Fills masks from the keys among the graph's inputs. */
export async function fillMasks(
  writer: MaskWriter,
  masks: readonly BoundMask[],
  wordsOfInput: (index: number) => ArrayLike<number>,
): Promise<void> {
  await writer.fill(
    masks.map(({ plan, buffer }) => ({
      target: buffer,
      key: evaluateOnHost(plan.key, wordsOfInput) as unknown as Key,
      rate: plan.rate,
    })),
  );
}
