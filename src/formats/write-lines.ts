import { writeFileAtomic } from "./atomic.ts";

/** Characters that are gathered before they are written. */
const BLOCK = 1 << 16;

/**
 * Writes lines into a file that is there whole or not at all, in constant memory.
 * @returns how many
 * @throws {CheckpointError} DISK_FULL, NOT_WRITABLE, WRITE_FAILED; and what the lines throw of their own
 */
export async function writeLinesAtomic(path: string, lines: Iterable<string> | AsyncIterable<string>): Promise<number> {
  const encoder = new TextEncoder();
  let count = 0;
  await writeFileAtomic(path, async (sink) => {
    let block = "";
    for await (const line of lines) {
      block += `${line}\n`;
      count++;
      if (block.length < BLOCK) continue;
      await sink.write(encoder.encode(block));
      block = "";
    }
    await sink.write(encoder.encode(block));
  });
  return count;
}
