/** @file Questions in JSON Lines, one a line. */
import { DataError } from "../base/errors.ts";
import { TextPositions } from "./alignment.ts";
import { placeAnswer } from "./answer-place.ts";
import { wholeLines } from "./file-lines.ts";
import { parseJsonLine } from "./json-lines.ts";
import { type GivenAnswer, noPlaces, type Question, type QuestionData } from "./question.ts";

type Fields = Readonly<Record<string, unknown>>;

/** An answer as its line says it; `start` in code points. */
interface SaidAnswer {
  readonly text: string;
  readonly start: number | undefined;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

class LineReader {
  readonly questions: Question[] = [];
  readonly places = noPlaces();
  hasUnanswerable = false;
  private readonly ids = new Map<string, number>();
  private readonly file: string;
  private line = 0;
  /** Whether the lines before had a field for answers. */
  private hasAnswers: boolean | undefined;

  constructor(file: string) {
    this.file = file;
  }

  private refuse(code: string, rule: string, fix: string): never {
    const { line, file } = this;
    throw new DataError(`line ${line}: ${rule} ${fix}`, { code, path: file, details: { line } });
  }

  private text(value: unknown, name: string): string {
    if (typeof value === "string" && value.trim() !== "") return value;
    const got = typeof value === "string" ? "an empty one" : show(value);
    return this.refuse("TEXT_EMPTY", `${name} must be a text; got ${got}.`, "Fill it in, or remove the line.");
  }

  private id({ id }: Fields): string {
    if (id === undefined || id === null) return `${this.line}`;
    const name = typeof id === "number" ? `${id}` : this.text(id, "id");
    return name;
  }

  private claim(id: string): void {
    const other = this.ids.get(id);
    if (other !== undefined) {
      this.refuse("ID_REPEATED", `the id ${JSON.stringify(id)} is that of line ${other} too.`, "Make ids differ.");
    }
    this.ids.set(id, this.line);
  }

  private start(value: unknown): number | undefined {
    if (value === undefined || value === null) return undefined;
    if (Number.isInteger(value)) return value as number;
    const rule = `an answer's start must be a whole number; got ${show(value)}.`;
    return this.refuse("QUESTIONS_LAYOUT", rule, "Count characters from 0, or leave it out.");
  }

  private answer(value: unknown): SaidAnswer {
    if (typeof value === "string") return { text: this.text(value, "an answer"), start: undefined };
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      const rule = `an answer must be a text or an object with one; got ${show(value)}.`;
      return this.refuse("QUESTIONS_LAYOUT", rule, 'Write "…" or {"text": "…", "start": 0}.');
    }
    const { text, start, answer_start: squad } = value as Fields;
    return { text: this.text(text, "an answer's text"), start: this.start(start ?? squad) };
  }

  /** Answers of a line; undefined where it has no field for them. */
  private answers(fields: Fields): SaidAnswer[] | undefined {
    const { answer, answers } = fields;
    if (answer !== undefined && answers !== undefined) {
      this.refuse("QUESTIONS_LAYOUT", "has answer and answers.", "Leave one of them out.");
    }
    if (answers === undefined) {
      if (answer === undefined) return undefined;
      return answer === null ? [] : [this.answer(answer)];
    }
    if (Array.isArray(answers)) return answers.map((item: unknown) => this.answer(item));
    // Lists of texts and of starts side by side, as the library "datasets" has them.
    const { text, answer_start: starts } = (answers ?? {}) as Fields;
    if (Array.isArray(text) && Array.isArray(starts) && text.length === starts.length) {
      return text.map((item: unknown, i) => this.answer({ text: item, start: starts[i] as unknown }));
    }
    return this.refuse(
      "QUESTIONS_LAYOUT",
      `answers must be a list; got ${show(answers)}.`,
      "Write [] where there is none.",
    );
  }

  private placed(context: string, positions: TextPositions, answer: SaidAnswer): GivenAnswer {
    const { text, start } = answer;
    const end = (start ?? 0) + new TextPositions(text).numCodePoints;
    if (start !== undefined && (start < 0 || end > positions.numCodePoints)) {
      const rule = `the answer ${show(text)} at ${start} ends outside its text of ${positions.numCodePoints} characters.`;
      this.refuse("SPAN_OUTSIDE", rule, "Correct its start (characters from 0), or leave it out.");
    }
    const found = placeAnswer(context, answer, positions);
    if (found.start === undefined) {
      const rule = `the answer ${show(text)} is not in its text.`;
      this.refuse("ANSWER_ABSENT", rule, "Copy it from there letter by letter, or remove the line.");
    }
    this.places[found.finding]++;
    return { text, start: found.start };
  }

  read(fields: Fields, line: number): void {
    this.line = line;
    const id = this.id(fields);
    this.claim(id);
    const question = this.text(fields.question, "question");
    const context = this.text(fields.context, "context");
    const said = this.answers(fields);
    if (this.hasAnswers !== undefined && this.hasAnswers !== (said !== undefined)) {
      const rule =
        said === undefined
          ? "has no field answers, but lines before have."
          : "has answers, but lines before have none.";
      this.refuse("QUESTIONS_LAYOUT", rule, "Write [] where the text has no answer.");
    }
    this.hasAnswers = said !== undefined;
    const { is_impossible: impossible } = fields;
    if (impossible === true && said !== undefined && said.length > 0) {
      this.refuse("ANSWER_CONTRADICTS", "is impossible and has answers.", "Remove one or the other.");
    }
    if (said?.length === 0 || impossible === true) this.hasUnanswerable = true;
    const positions = new TextPositions(context);
    const answers = (said ?? []).map((answer) => this.placed(context, positions, answer));
    this.questions.push({ id, question, context, answers });
  }
}

/**
 * Reads questions from a file with one object a line (also gzipped): `question`, `context`, and where there are answers
 * `answers`, a list of texts or of `{ text, start }` with the place of the first character counted from 0 in code points
 * (an empty list: the text has no answer), or `answer`, one of these alone; an `id`, by default the line's number.
 *
 * The layout of the library "datasets" (`answers: { text: […], answer_start: […] }`) is understood too.
 * @throws {DataError} TEXT_EMPTY, ID_REPEATED, QUESTIONS_LAYOUT, ANSWER_CONTRADICTS, SPAN_OUTSIDE for an answer that goes over its
 * text's ends, ANSWER_ABSENT for one that is not in it, each naming the line; JSON_INVALID, JSON_NOT_OBJECT, DATA_EMPTY; and the
 * troubles of files
 */
export async function questionLines(file: string): Promise<QuestionData> {
  const reader = new LineReader(file);
  for await (const { text, line } of wholeLines(file)) {
    if (text.trim() !== "") reader.read(parseJsonLine(text, file, line), line);
  }
  const { questions, places, hasUnanswerable } = reader;
  if (questions.length > 0) return { name: file, questions, hasUnanswerable, places };
  throw new DataError("there are no questions. Is it the right file?", { code: "DATA_EMPTY", path: file });
}
