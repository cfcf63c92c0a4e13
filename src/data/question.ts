/** @file Questions to texts, as files of any layout give them. */
import type { PlaceFinding } from "./answer-place.ts";

/** An answer as a part of its text. */
export interface GivenAnswer {
  readonly text: string;
  /** Its first UTF-16 unit in the text; undefined where the text does not have it. */
  readonly start: number | undefined;
}

/** A question to a text. */
export interface Question {
  readonly id: string;
  readonly question: string;
  readonly context: string;
  /** None where the text does not answer it, or where nobody said. */
  readonly answers: readonly GivenAnswer[];
}

/** What a file of questions holds. */
export interface QuestionData {
  /** The file. */
  readonly name: string;
  readonly questions: readonly Question[];
  /** Whether the file says that some questions have no answer (SQuAD 2.0). */
  readonly hasUnanswerable: boolean;
  /** How many answers were found in which way. */
  readonly places: Readonly<Record<PlaceFinding, number>>;
}

/** Counts of findings, to begin with. */
export function noPlaces(): Record<PlaceFinding, number> {
  return { codePoints: 0, utf16: 0, moved: 0, absent: 0, unsaid: 0 };
}

/** Questions that a notice names. */
const SHOWN = 3;

/** The first of the questions with an answer that their text does not have. */
function withoutPlace(questions: readonly Question[]): string {
  const ids = questions.filter(({ answers }) => answers.some(({ start }) => start === undefined)).map(({ id }) => id);
  const shown = ids.slice(0, SHOWN).map((id) => JSON.stringify(id));
  if (shown.length === 0) return "";
  return ` (${ids.length === 1 ? "question" : "questions"} ${shown.join(", ")}${ids.length > SHOWN ? ", …" : ""})`;
}

/** What a user should know of the places that a file gives; undefined where all are right. */
export function placesNotice({ name, places, questions }: QuestionData): string | undefined {
  const { codePoints, utf16, moved, absent, unsaid } = places;
  if (utf16 + moved + absent + unsaid === 0) return undefined;
  const total = codePoints + utf16 + moved + absent + unsaid;
  const kinds = [
    utf16 === 0 ? "" : `${utf16} are counted in UTF-16 units`,
    moved === 0 ? "" : `${moved} were moved to where the answer stands nearest`,
    absent === 0
      ? ""
      : `${absent} ${absent === 1 ? "answer is" : "answers are"} not in ${absent === 1 ? "its" : "their"} text${withoutPlace(questions)}: nothing is learnt from ${absent === 1 ? "it" : "them"}`,
    unsaid === 0 ? "" : `${unsaid} are not said though the answer stands there several times: the first is taken`,
  ];
  return `${name}: of ${total} places of answers ${kinds.filter((kind) => kind !== "").join(", ")}`;
}
