import type { Splitter } from "./splitter.ts";
import type { TrainProgress } from "./train-progress.ts";

/** A copy that does not keep the text alive that it was cut from (engines share long slices). */
export function detached(word: string): string {
  return word.length < 13 ? word : Buffer.from(word, "utf16le").toString("utf16le");
}

/**
 * Counts the words of texts; memory grows with the number of different words only.
 * @param splitter what a word is
 * @returns occurrences by word, in the order of first occurrence
 */
export async function countWords(
  texts: AsyncIterable<string> | Iterable<string>,
  splitter: Pick<Splitter, "forEachWord">,
  onProgress?: (progress: TrainProgress) => void,
): Promise<Map<string, number>> {
  // Counts lie outside the map: a map entry is then written only once per distinct word.
  const indices = new Map<string, number>();
  const counts: number[] = [];
  const visit = (word: string): void => {
    const index = indices.get(word);
    if (index === undefined) {
      indices.set(detached(word), counts.length);
      counts.push(1);
    } else {
      counts[index]!++;
    }
  };
  let done = 0;
  const count = (text: string): void => {
    splitter.forEachWord(text, visit);
    if (++done % 10_000 === 0) onProgress?.({ phase: "count", done, total: undefined });
  };
  if (Symbol.iterator in texts) {
    for (const text of texts) count(text);
  } else {
    for await (const text of texts) count(text);
  }
  onProgress?.({ phase: "count", done, total: undefined });
  return new Map(Array.from(indices, ([word, index]) => [word, counts[index]!]));
}

/** Word counts under other names; words that become the same are added up. */
export function renameWords(
  words: ReadonlyMap<string, number>,
  rename: (word: string) => readonly string[],
): Map<string, number> {
  const result = new Map<string, number>();
  for (const [word, count] of words) {
    for (const name of rename(word)) result.set(name, (result.get(name) ?? 0) + count);
  }
  return result;
}
