/** How often each n-gram occurs; words of an n-gram are joined by a space, which no word holds. */
export type NGramCounts = Map<string, number>;

/** Counts the n-grams of one order, or adds them to counts that are there. */
export function countNGrams(items: readonly string[], order: number, counts: NGramCounts = new Map()): NGramCounts {
  for (let start = 0; start + order <= items.length; start++) {
    const gram = items.slice(start, start + order).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

/** Number of n-grams of one order in a text. */
export function numNGrams(numItems: number, order: number): number {
  return Math.max(0, numItems - order + 1);
}

/** Σ min(a, b): matches, where each n-gram of one text can match one of the other only once. */
export function countMatches(a: NGramCounts, b: NGramCounts): number {
  let matches = 0;
  for (const [gram, count] of a) matches += Math.min(count, b.get(gram) ?? 0);
  return matches;
}
