/** @file Where an answer stands in its text, whatever its file says. */

/** Whether and how the place that a file gives for an answer is right. */
export type PlaceFinding = "codePoints" | "utf16" | "moved" | "absent";

/** An answer in its text. */
export interface AnswerPlace {
  /** Number of its first UTF-16 unit; undefined where the text does not have it. */
  readonly start: number | undefined;
  readonly finding: PlaceFinding;
}

/** The number of UTF-16 units before a code point, for any code point of a text; undefined outside of it. */
export function codePointPlaces(text: string): (codePoint: number) => number | undefined {
  // One entry for each code point behind the Basic Multilingual Plane: most texts have none.
  const pairs: number[] = [];
  let at = 0;
  let codePoints = 0;
  for (const character of text) {
    if (character.length === 2) pairs.push(codePoints);
    at += character.length;
    codePoints++;
  }
  return (codePoint) => {
    if (!(Number.isInteger(codePoint) && codePoint >= 0 && codePoint <= codePoints)) return undefined;
    if (pairs.length === 0 || codePoint === codePoints) return codePoint === codePoints ? at : codePoint;
    let [low, high] = [0, pairs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[middle]! < codePoint) low = middle + 1;
      else high = middle;
    }
    return codePoint + low;
  };
}

function nearest(text: string, answer: string, place: number): number | undefined {
  const before = text.lastIndexOf(answer, Math.max(0, place));
  const after = text.indexOf(answer, Math.max(0, place));
  if (before === -1) return after === -1 ? undefined : after;
  return after === -1 || place - before <= after - place ? before : after;
}

/**
 * Finds an answer: at the given place counted in code points, as Python counts; else there counted in UTF-16 units; else
 * where it stands nearest; else nowhere.
 * @param places {@link codePointPlaces} of the text
 */
export function placeAnswer(
  text: string,
  answer: { readonly text: string; readonly start: number },
  places: (codePoint: number) => number | undefined,
): AnswerPlace {
  const given = places(answer.start);
  if (given !== undefined && text.startsWith(answer.text, given)) return { start: given, finding: "codePoints" };
  if (answer.start >= 0 && text.startsWith(answer.text, answer.start)) return { start: answer.start, finding: "utf16" };
  const start = nearest(text, answer.text, given ?? answer.start);
  return start === undefined ? { start, finding: "absent" } : { start, finding: "moved" };
}

/** The number of code points before a UTF-16 unit, as Python counts places. */
export function codePointsBefore(text: string, unit: number): number {
  let count = 0;
  for (let at = 0; at < unit; count++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return count;
}
