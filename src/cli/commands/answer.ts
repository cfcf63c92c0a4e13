/** @file `firth evaluate` with a model that answers questions. */
import { mkdir } from "node:fs/promises";
import { loadAnswerModel } from "../../api/answer-model.ts";
import { type Answerer, type AnswerOptions, openAnswerer } from "../../api/answer-questions.ts";
import { placesNotice, questionFile } from "../../data/question-file.ts";
import { table } from "../number-text.ts";
import { writeAnswerFiles } from "../recipe/answer-seed.ts";
import type { Session } from "../session.ts";

async function withAnswerer(
  folder: string,
  options: AnswerOptions,
  work: (answerer: Answerer) => Promise<void>,
): Promise<void> {
  const answerer = await openAnswerer(await loadAnswerModel(folder), options);
  try {
    await work(answerer);
  } finally {
    await answerer.dispose();
  }
}

/** Figures on a file of questions; the answers are written into a folder, if one is given. */
export async function evaluateAnswers(
  session: Session,
  folder: string,
  { file, outputDir }: { readonly file: string; readonly outputDir: string | undefined },
  options: AnswerOptions,
): Promise<void> {
  const data = await questionFile(file);
  const notice = placesNotice(data);
  if (notice !== undefined) session.say(notice);
  await withAnswerer(folder, options, async (answerer) => {
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
  });
}
