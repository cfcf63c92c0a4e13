/** @file Files of questions and their answers in texts, in the layout of SQuAD. */
import { DataError } from "../base/errors.ts";
import { TextPositions } from "./alignment.ts";
import { type AnswerPlace, placeAnswer } from "./answer-place.ts";
import { fileBlocks } from "./file-lines.ts";
import { noPlaces, type Question, type QuestionData } from "./question.ts";
import { questionLines } from "./question-lines.ts";

export { type GivenAnswer, placesNotice, type Question, type QuestionData } from "./question.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A value of the file and the path that messages name. */
interface Node {
  readonly value: unknown;
  readonly path: string;
}

class QuestionReader {
  readonly questions: Question[] = [];
  readonly places = noPlaces();
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
        const positions = new TextPositions(context);
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
            return this.placed(context, { text, start: start.value as number }, positions);
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

  private placed(context: string, answer: { text: string; start: number }, positions: TextPositions) {
    const { start, finding }: AnswerPlace = placeAnswer(context, answer, positions);
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

/** Files with one question a line, by their names. */
const linesName = /\.(jsonl|ndjson)(\.gz)?$/i;

/**
 * Reads a file of questions in the layout of SQuAD 1.1 or 2.0, also gzipped, or one of JSON Lines (`.jsonl`, `.ndjson`, see
 * {@link questionLines}). Places are counted in code points.
 * @throws {DataError} as parseQuestions; JSON_INVALID; FILE_MISSING and the other troubles of files; as questionLines
 * @source Rajpurkar et al. 2016, arXiv:1606.05250; 2018, arXiv:1806.03822
 */
export async function questionFile(file: string): Promise<QuestionData> {
  if (linesName.test(file)) return questionLines(file);
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
