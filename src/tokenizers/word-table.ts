/**
 * Numbers different words from 0 in the order in which they are met.
 *
 * A word is looked up by its UTF-16 units, without a string for it: several times as fast as a `Map`, and a fraction of
 * its memory.
 */
export class WordTable {
  /** Units of the word to look up. */
  readonly units: Uint16Array;
  /** Number of words. */
  size = 0;
  /** Word number + 1 by place, 0 where there is none; places are tried one after the other. */
  #slots = new Int32Array(1 << 12);
  #hashes = new Int32Array(1 << 11);
  /** Units of all words, and where each one ends. */
  #text = new Uint16Array(1 << 14);
  #ends = new Uint32Array(1 << 11);

  /** @param longest units in the longest word */
  constructor(longest: number) {
    this.units = new Uint16Array(longest);
  }

  /**
   * Number of the word in the first `length` of `units`; equal to `size` before the call where it is new.
   * @param hash of these units, by {@link hashUnit} from {@link hashStart} on
   */
  number(length: number, hash: number): number {
    const { units } = this;
    const slots = this.#slots;
    const text = this.#text;
    const mask = slots.length - 1;
    for (let place = (hash ^ (hash >>> 15)) & mask; ; place = (place + 1) & mask) {
      const found = slots[place]! - 1;
      if (found < 0) return this.#add(length, hash, place);
      if (this.#hashes[found] !== hash) continue;
      const start = found === 0 ? 0 : this.#ends[found - 1]!;
      if (this.#ends[found]! - start !== length) continue;
      let i = 0;
      while (i < length && text[start + i] === units[i]) i++;
      if (i === length) return found;
    }
  }

  /** Number of a word given as a string. */
  numberOf(word: string): number {
    let hash = hashStart;
    for (let i = 0; i < word.length; i++) {
      const unit = word.charCodeAt(i);
      this.units[i] = unit;
      hash = hashUnit(hash, unit);
    }
    return this.number(word.length, hash);
  }

  /** A word by its number. */
  word(index: number): string {
    const start = index === 0 ? 0 : this.#ends[index - 1]!;
    return String.fromCharCode(...this.#text.subarray(start, this.#ends[index]));
  }

  #add(length: number, hash: number, place: number): number {
    const index = this.size++;
    if (index >= this.#ends.length) {
      this.#ends = larger(this.#ends, 2 * index);
      this.#hashes = larger(this.#hashes, 2 * index);
    }
    const start = index === 0 ? 0 : this.#ends[index - 1]!;
    const end = start + length;
    if (end > this.#text.length) this.#text = larger(this.#text, 2 * end);
    this.#text.set(this.units.subarray(0, length), start);
    this.#ends[index] = end;
    this.#hashes[index] = hash;
    this.#slots[place] = index + 1;
    if (2 * this.size > this.#slots.length) this.#spread();
    return index;
  }

  /** Twice the places. */
  #spread(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let index = 0; index < this.size; index++) {
      const hash = this.#hashes[index]!;
      let place = (hash ^ (hash >>> 15)) & mask;
      while (slots[place] !== 0) place = (place + 1) & mask;
      slots[place] = index + 1;
    }
    this.#slots = slots;
  }
}

/** Hash of a word without units. */
export const hashStart = 0x2545f491;

/** Hash of a word that goes on with one more unit. */
export function hashUnit(hash: number, unit: number): number {
  const mixed = Math.imul(hash ^ unit, 0x9e3779b1);
  return mixed ^ (mixed >>> 13);
}

function larger<A extends Int32Array | Uint32Array | Uint16Array>(array: A, length: number): A {
  const copy = new (array.constructor as new (length: number) => A)(length);
  copy.set(array);
  return copy;
}
