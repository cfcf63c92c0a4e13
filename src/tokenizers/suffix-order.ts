/** Ranges shorter than this are sorted by insertion. */
const FEW = 12;

/** A word ends with this; no character of a word is it. */
export const SEPARATOR = 0;

/** Places of a text in the order of what begins there, as far as it matters. */
export interface SuffixOrder {
  /** Places, sorted by the up to `depth` characters from there on; a separator ends the comparison. */
  readonly places: Int32Array;
  /** For each of them, the characters (separator included) it shares with the one before; −1 for the first. */
  readonly shared: Int32Array;
}

/**
 * Sorts the places of words by what begins there, looking at `depth` characters at most.
 * @param text code points, {@link SEPARATOR} behind every word
 * @source Bentley and Sedgewick 1997, multikey quicksort
 */
export function sortSuffixes(text: Uint32Array, depth: number): SuffixOrder {
  let size = 0;
  for (const point of text) if (point !== SEPARATOR) size++;
  const places = new Int32Array(size);
  let at = 0;
  text.forEach((point, place) => {
    if (point !== SEPARATOR) places[at++] = place;
  });

  /** Compares two places that agree on the first `from` characters. */
  const before = (a: number, b: number, from: number): boolean => {
    for (let i = from; i < depth; i++) {
      const left = text[a + i]!;
      const right = text[b + i]!;
      if (left !== right) return left < right;
      if (left === SEPARATOR) return false;
    }
    return false;
  };
  const insertionSort = (low: number, high: number, from: number): void => {
    for (let i = low + 1; i < high; i++) {
      const place = places[i]!;
      let k = i;
      while (k > low && before(place, places[k - 1]!, from)) {
        places[k] = places[k - 1]!;
        k--;
      }
      places[k] = place;
    }
  };
  const stack: number[] = [0, size, 0];
  while (stack.length > 0) {
    const from = stack.pop()!;
    const high = stack.pop()!;
    const low = stack.pop()!;
    if (high - low < 2 || from >= depth) continue;
    if (high - low < FEW) {
      insertionSort(low, high, from);
      continue;
    }
    const pivot = median(
      text[places[low]! + from]!,
      text[places[(low + high) >> 1]! + from]!,
      text[places[high - 1]! + from]!,
    );
    let less = low;
    let greater = high;
    for (let i = low; i < greater; ) {
      const place = places[i]!;
      const point = text[place + from]!;
      if (point < pivot) {
        places[i++] = places[less]!;
        places[less++] = place;
      } else if (point > pivot) {
        places[i] = places[--greater]!;
        places[greater] = place;
      } else {
        i++;
      }
    }
    stack.push(low, less, from, greater, high, from);
    if (pivot !== SEPARATOR) stack.push(less, greater, from + 1);
  }

  const shared = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    if (i === 0) {
      shared[i] = -1;
      continue;
    }
    const a = places[i - 1]!;
    const b = places[i]!;
    let length = 0;
    while (length < depth && text[a + length] === text[b + length]) {
      length++;
      if (text[a + length - 1] === SEPARATOR) break;
    }
    shared[i] = length;
  }
  return { places, shared };
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
