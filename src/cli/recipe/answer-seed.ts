/** @file One seed's run of a recipe about answering questions, and the files of its answers. */
import { join } from "node:path";
import { saveAnswerModel } from "../../api/answer-model.ts";
import { type AnswerFigure, finetuneQuestionAnswering } from "../../api/finetune-question-answering.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { formatJson } from "../../formats/json-file.ts";
import type { JsonObject } from "../../formats/json-text.ts";
import { type Answer, questionAnswering } from "../../tasks/index.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import type { AnswerTaskSettings } from "../settings/answer-task.ts";
import { type FinetuneOutcome, modelPlace, type SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { openRecipeData, questionsIn } from "./recipe-data.ts";

/**
 * Writes answers as the official scripts read them: `predictions.json` (text by id), `nbest_predictions.json`, and where
 * questions may have no answer `null_odds.json` (how much better "no answer" is).
 */
export async function writeAnswerFiles(
  folder: string,
  answers: ReadonlyMap<string, Answer>,
  allowsNone: boolean,
): Promise<void> {
  const by = (value: (answer: Answer) => JsonObject[string]): string =>
    formatJson(Object.fromEntries([...answers].map(([id, answer]) => [id, value(answer)])));
  await writeFileAtomic(
    join(folder, "predictions.json"),
    by(({ text }) => text),
  );
  const best = by((answer) => answer.best.map(({ text, probability, score }) => ({ text, probability, score })));
  await writeFileAtomic(join(folder, "nbest_predictions.json"), best);
  if (!allowsNone) return;
  await writeFileAtomic(
    join(folder, "null_odds.json"),
    by(({ noneScore }) => noneScore),
  );
}

/** Settings of a recipe as options of the task: null means left out. */
export function answerOptions({ name: _name, numBest: _best, ...settings }: AnswerTaskSettings) {
  const { docStride, maxQueryLength, allowsNone, ...given } = settings;
  return {
    ...given,
    ...(docStride === null ? {} : { docStride }),
    ...(maxQueryLength === null ? {} : { maxQueryLength }),
    ...(allowsNone === null ? {} : { allowsNone }),
  };
}

export async function answerSeed(
  recipe: FinetuneRecipe<AnswerTaskSettings>,
  { session, engine, signal, data }: SeedPlace,
): Promise<FinetuneOutcome> {
  const { model, task, transfer, train, outputDir } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const read = questionsIn(data ?? (await openRecipeData(recipe)));
  const finetuned = await session.watchTraining((listener) =>
    finetuneQuestionAnswering(model, questionAnswering({ ...answerOptions(task), tokenizer }), read, {
      ...train,
      ...transfer,
      numBest: task.numBest,
      selectionFigure: transfer.selectionFigure as AnswerFigure,
      ...{ outputDir, engine, dtype: recipe.engine.dtype, listener, signal },
    }),
  );
  const { run, evaluation, answers, answering } = finetuned;
  const modelFolder = modelPlace(outputDir, run);
  if (modelFolder !== undefined) await saveAnswerModel(modelFolder, finetuned);
  if (answers !== undefined) await writeAnswerFiles(outputDir, answers, answering.allowsNone);
  const figures = evaluation && { exact: evaluation.exact, f1: evaluation.f1, loss: evaluation.loss };
  return { seed: train.seed, run, evaluation, figures, report: undefined, modelFolder };
}
