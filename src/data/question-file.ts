/** @file Files of questions and their answers in texts, in the layout of SQuAD. */
import { DataError } from "../base/errors.ts";
import { type AnswerPlace, codePointPlaces, type PlaceFinding, placeAnswer } from "./answer-place.ts";
import { fileBlocks } from "./file-lines.ts";

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

type Fields = Readonly<Record<string, unknown>>;

/** A value of the file and the path that messages name. */
interface Node {
  readonly value: unknown;
  readonly path: string;
}

class QuestionReader {
  readonly questions: Question[] = [];
  readonly places: Record<PlaceFinding, number> = { codePoints: 0, utf16: 0, moved: 0, absent: 0 };
  hasUnanswerable = false;
  private readonly ids = new Map<string, string>();
  private readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  private refuse(code: string, { path }: Node, rule: string, fix: string): never {
    throw new DataError(`${path || "top level"}: ${rule} ${fix}`, { code, path: this.file, details: { at: path } });
  }

  private fields(node: Node): Fields {
    const { value } = node;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
    return this.refuse("QUESTIONS_LAYOUT", node, "must be an object.", "Give a file in the layout of SQuAD.");
  }

  private list(node: Node): Node[] {
    const { value, path } = node;
    if (Array.isArray(value)) return value.map((item: unknown, i) => ({ value: item, path: `${path}[${i}]` }));
    return this.refuse("QUESTIONS_LAYOUT", node, "must be a list.", "Give a file in the layout of SQuAD.");
  }

  private text(node: Node): string {
    if (typeof node.value === "string" && node.value.trim() !== "") return node.value;
    const got = typeof node.value === "string" ? "an empty one" : JSON.stringify(node.value);
    return this.refuse("TEXT_EMPTY", node, `must be a text; got ${got}.`, "Fill it in, or remove the question.");
  }

  read(file: unknown): void {
    const inside = (node: Node, name: string): Node => ({
      value: this.fields(node)[name],
      path: node.path === "" ? name : `${node.path}.${name}`,
    });
    for (const article of this.list(inside({ value: file, path: "" }, "data"))) {
      for (const paragraph of this.list(inside(article, "paragraphs"))) {
        const context = this.text(inside(paragraph, "context"));
        const places = codePointPlaces(context);
        for (const item of this.list(inside(paragraph, "qas"))) {
          const id = this.id(inside(item, "id"));
          const question = this.text(inside(item, "question"));
          const { is_impossible: impossible, answers } = this.fields(item);
          if (impossible === true) this.hasUnanswerable = true;
          const given = answers === undefined ? [] : this.list(inside(item, "answers"));
          if (impossible === true && given.length > 0) {
            const rule = `the question ${JSON.stringify(id)} is impossible and has ${given.length} answers.`;
            this.refuse("ANSWER_CONTRADICTS", item, rule, "Remove one or the other.");
          }
          const found = given.map((node) => {
            const text = this.text(inside(node, "text"));
            const start = inside(node, "answer_start");
            if (!Number.isInteger(start.value)) {
              this.refuse("QUESTIONS_LAYOUT", start, "must be a whole number.", "Count characters from 0.");
            }
            return this.placed(context, { text, start: start.value as number }, places);
          });
          this.questions.push({ id, question, context, answers: found });
        }
      }
    }
  }

  private id(node: Node): string {
    const { value, path } = node;
    const id = typeof value === "number" ? String(value) : this.text(node);
    const other = this.ids.get(id);
    if (other !== undefined) {
      this.refuse("ID_REPEATED", node, `the id ${JSON.stringify(id)} is that of ${other} too.`, "Make ids differ.");
    }
    this.ids.set(id, path);
    return id;
  }

  private placed(context: string, answer: { text: string; start: number }, places: (at: number) => number | undefined) {
    const { start, finding }: AnswerPlace = placeAnswer(context, answer, places);
    this.places[finding]++;
    return { text: answer.text, start };
  }
}

/**
 * Questions in the layout of SQuAD 1.1 or 2.0.
 * @param name what messages call it
 * @throws {DataError} QUESTIONS_LAYOUT, TEXT_EMPTY, ID_REPEATED, ANSWER_CONTRADICTS, naming the place; DATA_EMPTY
 */
export function parseQuestions(value: unknown, name: string): QuestionData {
  const reader = new QuestionReader(name);
  reader.read(value);
  const { questions, places, hasUnanswerable } = reader;
  if (questions.length > 0) return { name, questions, hasUnanswerable, places };
  throw new DataError("there are no questions. Is it the right file?", { code: "DATA_EMPTY", path: name });
}

/**
 * Reads a file of questions in the layout of SQuAD 1.1 or 2.0, also gzipped. Places are counted in code points.
 * @throws {DataError} as parseQuestions; JSON_INVALID; FILE_MISSING and the other troubles of files
 * @source Rajpurkar et al. 2016, arXiv:1606.05250; 2018, arXiv:1806.03822
 */
export async function questionFile(file: string): Promise<QuestionData> {
  const parts: string[] = [];
  for await (const { text } of fileBlocks(file)) parts.push(text);
  let value: unknown;
  try {
    value = JSON.parse(parts.join(""));
  } catch (cause) {
    throw new DataError(`not valid JSON (${(cause as Error).message}). Is it complete?`, {
      code: "JSON_INVALID",
      path: file,
      cause,
    });
  }
  return parseQuestions(value, file);
}

/** What a user should know of the places that a file gives; undefined where all are right. */
export function placesNotice({ name, places }: Pick<QuestionData, "name" | "places">): string | undefined {
  const { codePoints, utf16, moved, absent } = places;
  if (utf16 + moved + absent === 0) return undefined;
  const total = codePoints + utf16 + moved + absent;
  const kinds = [
    utf16 === 0 ? "" : `${utf16} are counted in UTF-16 units`,
    moved === 0 ? "" : `${moved} were moved to where the answer stands nearest`,
    absent === 0 ? "" : `${absent} answers are not in their text: nothing is learnt from them`,
  ];
  return `${name}: of ${total} places of answers ${kinds.filter((kind) => kind !== "").join(", ")}`;
}
