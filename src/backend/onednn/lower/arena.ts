/** @file Where the activations lie: blocks that are never needed together share memory. */
import type { Block } from "./ref.ts";

/** What a step does to memory, as far as the plan needs to know. */
export interface Access {
  readonly reads: readonly Block[];
  readonly writes: readonly Block[];
  /** The second block may take the first one's memory when the first is not needed after this step. */
  readonly inPlace?: readonly [from: Block, to: Block];
}

export interface ArenaPlan {
  readonly bytes: number;
  readonly offsets: ReadonlyMap<Block, number>;
}

/** Lines of the processor's cache; blocks begin on them. */
const ALIGNMENT = 64;

interface Span {
  readonly first: number;
  last: number;
}

function spansOf(accesses: readonly Access[]): Map<Block, Span> {
  const spans = new Map<Block, Span>();
  accesses.forEach(({ reads, writes }, step) => {
    for (const block of [...reads, ...writes]) {
      if (block.home.kind !== "arena") continue;
      const span = spans.get(block);
      if (span === undefined) spans.set(block, { first: step, last: step });
      else span.last = step;
    }
  });
  return spans;
}

/** Free memory in order of offset; the last piece is endless. */
class FreeList {
  private readonly pieces: { offset: number; bytes: number }[] = [{ offset: 0, bytes: Number.POSITIVE_INFINITY }];
  peak = 0;

  take(bytes: number): number {
    const at = this.pieces.findIndex((piece) => piece.bytes >= bytes);
    const piece = this.pieces[at]!;
    const { offset } = piece;
    piece.offset += bytes;
    piece.bytes -= bytes;
    if (piece.bytes === 0) this.pieces.splice(at, 1);
    this.peak = Math.max(this.peak, offset + bytes);
    return offset;
  }

  give(offset: number, bytes: number): void {
    const at = this.pieces.findIndex((piece) => piece.offset > offset);
    this.pieces.splice(at, 0, { offset, bytes });
    for (const i of [at + 1, at]) {
      const [before, after] = [this.pieces[i - 1], this.pieces[i]];
      if (before === undefined || after === undefined || before.offset + before.bytes !== after.offset) continue;
      before.bytes += after.bytes;
      this.pieces.splice(i, 1);
    }
  }
}

/** Gives every arena block an offset: first fit in the order of the steps, a block is free after its last use. */
export function planArena(accesses: readonly Access[]): ArenaPlan {
  const spans = spansOf(accesses);
  const free = new FreeList();
  const offsets = new Map<Block, number>();
  const dying = new Map<number, Block[]>();
  for (const [block, { last }] of spans) dying.set(last, [...(dying.get(last) ?? []), block]);
  const sizeOfBlock = ({ bytes }: Block) => Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
  accesses.forEach(({ reads, writes, inPlace }, step) => {
    const inherited = new Set<Block>();
    if (inPlace !== undefined) {
      const [from, to] = inPlace;
      const ends = spans.get(from)?.last === step && spans.get(to)?.first === step;
      if (from !== to && ends && sizeOfBlock(from) === sizeOfBlock(to)) {
        offsets.set(to, offsets.get(from)!);
        inherited.add(from);
      }
    }
    for (const block of [...reads, ...writes]) {
      if (spans.get(block)?.first === step && !offsets.has(block)) offsets.set(block, free.take(sizeOfBlock(block)));
    }
    for (const block of dying.get(step) ?? []) {
      if (!inherited.has(block)) free.give(offsets.get(block)!, sizeOfBlock(block));
    }
  });
  return { bytes: free.peak, offsets };
}
