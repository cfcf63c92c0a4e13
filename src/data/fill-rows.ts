import type { Packing } from "./packing.ts";
import { packSequences } from "./packing.ts";

/**
 * Packs few sequences more tightly than best fit does: each row is opened by the longest sequence left and filled with
 * those whose lengths come closest to its room. Ties by number, so the same lengths always give the same rows.
 *
 * Takes numRows · sequences · width steps: for tens of sequences, not for thousands.
 * @param lengths tokens of each sequence, special tokens included
 * @param width places in a row
 * @throws {DataError} SEQUENCE_TOO_LONG, SEQUENCE_EMPTY
 * @source Gupta and Ho 1999, minimum bin slack, doi:10.1080/095372899233244; by dynamic programming
 */
export function fillRows(lengths: ArrayLike<number>, width: number): Packing {
  // Checks the lengths.
  const { fillRatio } = packSequences(lengths, width, { maxPerRow: 1 });
  let left = Array.from({ length: lengths.length }, (_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const rows: number[][] = [];
  // last[n]: which of those left was added last to make n tokens; −1 where none make n.
  const last = new Int32Array(width + 1);
  while (left.length > 0) {
    const room = width - lengths[left[0]!]!;
    last.fill(-1, 0, room + 1);
    last[0] = 0;
    let most = 0;
    for (let i = 1; i < left.length && most < room; i++) {
      const length = lengths[left[i]!]!;
      for (let tokens = room; tokens >= length; tokens--) {
        if (last[tokens] !== -1 || last[tokens - length] === -1) continue;
        last[tokens] = i;
        if (tokens > most) most = tokens;
      }
    }
    const chosen = new Set([0]);
    for (let tokens = most; tokens > 0; tokens -= lengths[left[last[tokens]!]!]!) chosen.add(last[tokens]!);
    rows.push(left.filter((_, i) => chosen.has(i)).sort((a, b) => a - b));
    left = left.filter((_, i) => !chosen.has(i));
  }
  rows.sort((a, b) => a[0]! - b[0]!);
  return { rows, fillRatio: rows.length === 0 ? 1 : (fillRatio * lengths.length) / rows.length };
}
