import type { SeedPieces } from "./unigram-seed.ts";

/** An unknown character is this much less likely than the least likely piece (logarithm). */
export const UNKNOWN_PENALTY = 10;

/** Beyond this difference of logarithms the smaller summand is lost. */
const NEGLIGIBLE = 50;

/** Logarithm of the sum of two numbers given by their logarithms. */
function logAdd(x: number, y: number): number {
  const larger = Math.max(x, y);
  const smaller = Math.min(x, y);
  return larger > smaller + NEGLIGIBLE ? larger : larger + Math.log(Math.exp(smaller - larger) + 1);
}

/**
 * All ways to spell stretches of the text with the pieces that are left.
 *
 * A character that is no piece of its own any more can be spelled as the unknown piece, number 0.
 */
export class UnigramLattice {
  /** Logarithm of each piece's probability; read at every call. */
  readonly scores: Float64Array;
  /** Score of the unknown piece. */
  unknownScore = 0;
  readonly #seeds: SeedPieces;
  readonly #matches: Int32Array;
  /** End of the matches at each place; they begin where the seeds' do. */
  readonly #matchEnds: Uint32Array;
  #forward = new Float64Array(64);
  #backward = new Float64Array(64);
  #from = new Int32Array(64);
  #piece = new Int32Array(64);

  constructor(seeds: SeedPieces) {
    this.#seeds = seeds;
    this.scores = seeds.scores.slice();
    this.#matches = seeds.matches;
    this.#matchEnds = seeds.matchStarts.slice(1);
  }

  /** Forgets pieces; only those with `kept` are used from now on. */
  keep(kept: Uint8Array): void {
    const { matchStarts } = this.#seeds;
    for (let place = 0; place < this.#matchEnds.length; place++) {
      let write = matchStarts[place]!;
      const end = this.#matchEnds[place]!;
      for (let read = write; read < end; read++) {
        const id = this.#matches[read]!;
        if (kept[id] === 1) this.#matches[write++] = id;
      }
      this.#matchEnds[place] = write;
    }
  }

  /**
   * Adds how often each piece is expected to stand in a stretch of the text, `count` times.
   * @returns logarithm of the stretch's probability
   */
  addExpected(start: number, end: number, count: number, expected: Float64Array): number {
    const size = end - start;
    this.#reserve(size + 1);
    const { scores } = this;
    const { lengths, matchStarts } = this.#seeds;
    const matches = this.#matches;
    const forward = this.#forward;
    const backward = this.#backward;
    // Nothing has reached a position yet.
    forward.fill(Number.NaN, 1, size + 1);
    forward[0] = 0;
    for (let at = 0; at < size; at++) {
      const here = forward[at]!;
      const last = this.#matchEnds[start + at]!;
      let single = false;
      for (let k = matchStarts[start + at]!; k < last; k++) {
        const id = matches[k]!;
        const length = lengths[id]!;
        if (length === 1) single = true;
        const value = scores[id]! + here;
        const known = forward[at + length]!;
        forward[at + length] = Number.isNaN(known) ? value : logAdd(known, value);
      }
      if (single) continue;
      const known = forward[at + 1]!;
      const value = this.unknownScore + here;
      forward[at + 1] = Number.isNaN(known) ? value : logAdd(known, value);
    }
    const whole = forward[size]!;
    backward[size] = 0;
    for (let at = size - 1; at >= 0; at--) {
      const here = forward[at]!;
      const last = this.#matchEnds[start + at]!;
      let single = false;
      let sum = Number.NaN;
      for (let k = matchStarts[start + at]!; k < last; k++) {
        const id = matches[k]!;
        const length = lengths[id]!;
        if (length === 1) single = true;
        const rest = backward[at + length]!;
        const value = scores[id]! + rest;
        sum = Number.isNaN(sum) ? value : logAdd(sum, value);
        expected[id]! += count * Math.exp(here + scores[id]! + rest - whole);
      }
      if (!single) {
        const value = this.unknownScore + backward[at + 1]!;
        sum = Number.isNaN(sum) ? value : logAdd(sum, value);
        expected[0]! += count * Math.exp(here + value - whole);
      }
      backward[at] = sum;
    }
    return whole;
  }

  /**
   * Finds the most likely pieces of a stretch of the text.
   * @param without a piece that may not be all of the stretch by itself; none where negative
   * @param visit takes the pieces, the last one first
   * @returns logarithm of their probability
   */
  best(start: number, end: number, without: number, visit: (id: number) => void): number {
    const size = end - start;
    this.#reserve(size + 1);
    const { scores } = this;
    const { lengths, matchStarts } = this.#seeds;
    const matches = this.#matches;
    const forward = this.#forward;
    const from = this.#from;
    const piece = this.#piece;
    from.fill(-1, 1, size + 1);
    forward[0] = 0;
    for (let at = 0; at < size; at++) {
      const here = forward[at]!;
      const last = this.#matchEnds[start + at]!;
      let single = false;
      for (let k = matchStarts[start + at]!; k < last; k++) {
        const id = matches[k]!;
        const next = at + lengths[id]!;
        if (next > size) break;
        if (next === at + 1) single = true;
        if (at === 0 && next === size && id === without) continue;
        const value = here + scores[id]!;
        if (from[next]! < 0 || value > forward[next]!) {
          forward[next] = value;
          from[next] = at;
          piece[next] = id;
        }
      }
      if (single) continue;
      const value = here + this.unknownScore;
      if (from[at + 1]! < 0 || value > forward[at + 1]!) {
        forward[at + 1] = value;
        from[at + 1] = at;
        piece[at + 1] = 0;
      }
    }
    for (let at = size; at > 0; at = from[at]!) visit(piece[at]!);
    return forward[size]!;
  }

  #reserve(size: number): void {
    if (size <= this.#forward.length) return;
    this.#forward = new Float64Array(2 * size);
    this.#backward = new Float64Array(2 * size);
    this.#from = new Int32Array(2 * size);
    this.#piece = new Int32Array(2 * size);
  }
}
