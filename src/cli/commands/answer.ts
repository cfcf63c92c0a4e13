/** @file `firth evaluate` with a model that answers questions. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { loadAnswerModel } from "../../api/answer-model.ts";
import { type AnswerOptions, openAnswerer } from "../../api/answer-questions.ts";
import { placesNotice, questionFile } from "../../data/question-file.ts";
import { requireWritableFile } from "../../formats/writable-file.ts";
import { count, table } from "../number-text.ts";
import { writeAnswerFiles } from "../recipe/answer-seed.ts";
import type { Session } from "../session.ts";

/** Figures on a file of questions; the answers are written into a folder, if one is given. */
export async function evaluateAnswers(
  session: Session,
  folder: string,
  { file, outputDir }: { readonly file: string; readonly outputDir: string | undefined },
  options: AnswerOptions,
): Promise<void> {
  if (outputDir !== undefined) await requireWritableFile(join(outputDir, "predictions.json"));
  const data = await questionFile(file);
  const notice = placesNotice(data);
  if (notice !== undefined) session.say(notice);
  const model = await loadAnswerModel(folder);
  const unanswerable = data.questions.filter(({ answers }) => answers.length === 0).length;
  if (unanswerable > 0 && !model.answering.allowsNone) {
    session.say(
      `${count(unanswerable)} of ${count(data.questions.length)} questions have no answer; the model always gives one, which counts as wrong.`,
    );
  }
  const answerer = await openAnswerer(model, options);
  try {
    const { answers, kinds, ...figures } = await answerer.evaluate(data);
    if (outputDir !== undefined) {
      await mkdir(outputDir, { recursive: true });
      await writeAnswerFiles(outputDir, answers, kinds !== undefined);
    }
    const rows = Object.entries(figures).map(([name, value]): [string, string] => [
      name,
      name === "total" ? `${value}` : value.toFixed(4),
    ]);
    session.result({ model: folder, data: file, ...figures, ...kinds }, table(rows));
  } finally {
    await answerer.dispose();
  }
}
