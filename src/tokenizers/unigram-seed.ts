import { SEPARATOR, type SuffixOrder, sortSuffixes } from "./suffix-order.ts";

/** Words as one text, and every place where a piece may stand in it. */
export interface SeedPieces {
  /** Code points, a separator behind every word. */
  readonly text: Uint32Array;
  /** Start of each word in the text. */
  readonly starts: Int32Array;
  readonly counts: Float64Array;
  /** Logarithm of each piece's first probability; piece 0 is the unknown one, its score is not a number. */
  readonly scores: Float64Array;
  /** Characters in each piece. */
  readonly lengths: Uint16Array;
  /** A place of the text where each piece stands. */
  readonly places: Int32Array;
  /** Pieces that begin at a place: `matches[matchStarts[place] .. matchStarts[place + 1]]`, the shortest first. */
  readonly matchStarts: Uint32Array;
  readonly matches: Int32Array;
}

/** A part of words that occurs more than once and goes on in more than one way. */
interface Repeat {
  readonly low: number;
  readonly high: number;
  readonly length: number;
}

/** All parts of at least two characters that occur again and end where words differ: the nodes of the suffix tree. */
function findRepeats(text: Uint32Array, { places, shared }: SuffixOrder, longest: number): Repeat[] {
  const found: Repeat[] = [];
  const lows: number[] = [];
  const depths: number[] = [];
  for (let i = 1; i <= places.length; i++) {
    const depth = i === places.length ? 0 : shared[i]!;
    let low = i - 1;
    while (depths.length > 0 && depths.at(-1)! > depth) {
      const length = depths.pop()!;
      low = lows.pop()!;
      const endsWord = text[places[low]! + length - 1] === SEPARATOR;
      if (length >= 2 && length <= longest && !endsWord) found.push({ low, high: i, length });
    }
    if (depth > 0 && (depths.length === 0 || depths.at(-1)! < depth)) {
      lows.push(low);
      depths.push(depth);
    }
  }
  return found;
}

/**
 * Pieces to begin with: every character, and the parts of words with the greatest product of length and number of
 * different words' places, up to `seedSize` in all.
 * @source Kudo 2018, arXiv:1804.10959, in the form of `tokenizers` 0.23 (parts are weighed by places in different words,
 *   characters by their occurrences)
 */
export function makeSeeds(
  words: ReadonlyMap<string, number>,
  options: { readonly maxPieceLength: number; readonly seedSize: number },
): SeedPieces {
  const { text, starts, counts } = joinWords(words);
  const order = sortSuffixes(text, options.maxPieceLength + 1);
  const characters = countCharacters(text, starts, counts);
  const repeats = findRepeats(text, order, options.maxPieceLength);
  const value = ({ low, high, length }: Repeat): number => (high - low) * length;
  // Places are in the order of what stands there: of equals the later one comes first, then the longer one.
  repeats.sort((a, b) => value(b) - value(a) || b.low - a.low || b.length - a.length);
  repeats.length = Math.min(repeats.length, Math.max(1, options.seedSize - characters.length));

  const total = 1 + characters.length + repeats.length;
  const scores = new Float64Array(total);
  const lengths = new Uint16Array(total);
  const places = new Int32Array(total);
  const idOfCharacter = new Map<number, number>();
  characters.forEach(({ point, count, place }, index) => {
    scores[index + 1] = count;
    lengths[index + 1] = 1;
    places[index + 1] = place;
    idOfCharacter.set(point, index + 1);
  });
  repeats.forEach((repeat, index) => {
    const id = 1 + characters.length + index;
    scores[id] = value(repeat);
    lengths[id] = repeat.length;
    places[id] = order.places[repeat.low]!;
  });
  let sum = 0;
  for (let id = 1; id < total; id++) sum += scores[id]!;
  const logSum = Math.log(sum);
  for (let id = 1; id < total; id++) scores[id] = Math.log(scores[id]!) - logSum;
  scores[0] = Number.NaN;

  const matchStarts = new Uint32Array(text.length + 1);
  text.forEach((point, place) => {
    if (point !== SEPARATOR) matchStarts[place + 1] = 1;
  });
  for (const { low, high } of repeats) {
    for (let i = low; i < high; i++) matchStarts[order.places[i]! + 1]!++;
  }
  for (let place = 0; place < text.length; place++) matchStarts[place + 1]! += matchStarts[place]!;
  const matches = new Int32Array(matchStarts[text.length]!);
  const cursor = matchStarts.slice(0, text.length);
  text.forEach((point, place) => {
    if (point !== SEPARATOR) matches[cursor[place]!++] = idOfCharacter.get(point)!;
  });
  const byLength = repeats.map((_, index) => index).sort((a, b) => repeats[a]!.length - repeats[b]!.length);
  for (const index of byLength) {
    const { low, high } = repeats[index]!;
    const id = 1 + characters.length + index;
    for (let i = low; i < high; i++) matches[cursor[order.places[i]!]!++] = id;
  }
  return { text, starts, counts, scores, lengths, places, matchStarts, matches };
}

function joinWords(words: ReadonlyMap<string, number>): Pick<SeedPieces, "text" | "starts" | "counts"> {
  let total = words.size;
  for (const word of words.keys()) total += word.length;
  const text = new Uint32Array(total);
  const starts = new Int32Array(words.size);
  const counts = new Float64Array(words.size);
  let at = 0;
  let index = 0;
  for (const [word, count] of words) {
    starts[index] = at;
    counts[index++] = count;
    for (const character of word) text[at++] = character.codePointAt(0)!;
    text[at++] = SEPARATOR;
  }
  return { text: text.slice(0, at), starts, counts };
}

/** Characters by how often they occur, the most frequent first; of equals the greater code point. */
function countCharacters(
  text: Uint32Array,
  starts: Int32Array,
  counts: Float64Array,
): { readonly point: number; readonly count: number; readonly place: number }[] {
  const found = new Map<number, { point: number; count: number; place: number }>();
  for (let word = 0; word < starts.length; word++) {
    for (let place = starts[word]!; text[place] !== SEPARATOR; place++) {
      const point = text[place]!;
      const entry = found.get(point);
      if (entry === undefined) found.set(point, { point, count: counts[word]!, place });
      else entry.count += counts[word]!;
    }
  }
  return [...found.values()].sort((a, b) => b.count - a.count || b.point - a.point);
}
