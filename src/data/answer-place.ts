/** @file Where an answer stands in its text, whatever its file says. */
import type { TextPositions } from "./alignment.ts";

/**
 * Whether and how the place that a file gives for an answer is right; `unsaid`: the file gives none, and the answer stands there
 * several times.
 */
export type PlaceFinding = "codePoints" | "utf16" | "moved" | "absent" | "unsaid";

/** An answer in its text. */
export interface AnswerPlace {
  /** Number of its first UTF-16 unit; undefined where the text does not have it. */
  readonly start: number | undefined;
  readonly finding: PlaceFinding;
}

function nearest(text: string, answer: string, place: number): number | undefined {
  const before = text.lastIndexOf(answer, Math.max(0, place));
  const after = text.indexOf(answer, Math.max(0, place));
  if (before === -1) return after === -1 ? undefined : after;
  return after === -1 || place - before <= after - place ? before : after;
}

/**
 * Finds an answer: at the given place counted in code points, as Python counts; else there counted in UTF-16 units; else
 * where it stands nearest; else nowhere. Without a place the first one is taken.
 * @param positions of the text
 */
export function placeAnswer(
  text: string,
  answer: { readonly text: string; readonly start: number | undefined },
  positions: TextPositions,
): AnswerPlace {
  const { text: wanted, start: said } = answer;
  if (said === undefined) {
    const first = text.indexOf(wanted);
    if (first === -1) return { start: undefined, finding: "absent" };
    return { start: first, finding: text.indexOf(wanted, first + 1) === -1 ? "codePoints" : "unsaid" };
  }
  const isInside = Number.isInteger(said) && said >= 0 && said <= positions.numCodePoints;
  const given = isInside ? positions.toUnit(said) : undefined;
  if (given !== undefined && text.startsWith(wanted, given)) return { start: given, finding: "codePoints" };
  if (said >= 0 && text.startsWith(wanted, said)) return { start: said, finding: "utf16" };
  const start = nearest(text, wanted, given ?? said);
  return start === undefined ? { start, finding: "absent" } : { start, finding: "moved" };
}
