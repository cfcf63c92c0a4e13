/** @file Parts of files: some of their rows, sentences or questions, by their numbers. */
import type { QuestionData } from "./question-file.ts";
import { type TableRow, TableSource } from "./table.ts";
import type { TaggedSentence, TaggedSource } from "./tagged-sentence.ts";

/** Says by its number from 0 whether an item belongs to a part. */
export type KeepItem = (index: number) => boolean;

/** Those rows of a table that are kept, in their order, with the lines of their file. */
export function tablePart(source: TableSource, keep: KeepItem): TableSource {
  const rows = async function* (): AsyncGenerator<TableRow> {
    let index = 0;
    for await (const row of source.rows()) if (keep(index++)) yield row;
  };
  return new TableSource(source.name, rows, {});
}

/** Those sentences of a file that are kept; ones without a word have no number. */
export function taggedPart(source: TaggedSource, keep: KeepItem): TaggedSource {
  const sentences = async function* (): AsyncGenerator<TaggedSentence> {
    let index = 0;
    for await (const sentence of source.sentences()) {
      if (sentence.words.length > 0 && keep(index++)) yield sentence;
    }
  };
  return { name: source.name, sentences };
}

/** Those questions that are kept. What the whole file says of unanswerable ones stays. */
export function questionPart(data: QuestionData, keep: KeepItem): QuestionData {
  return { ...data, questions: data.questions.filter((_, index) => keep(index)) };
}
