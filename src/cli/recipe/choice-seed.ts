/** @file One seed's run of a recipe about choosing between options. */
import { choiceColumns } from "../../api/choice-columns.ts";
import { finetuneMultipleChoice } from "../../api/finetune-multiple-choice.ts";
import { multipleChoice } from "../../tasks/multiple-choice.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import type { ChoiceTaskSettings } from "../settings/choice-task.ts";
import { type FinetuneOutcome, modelPlace, type SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { openRecipeData, tablesIn } from "./recipe-data.ts";

/** Fine-tunes a model that chooses between options, and writes it. */
export async function choiceSeed(
  recipe: FinetuneRecipe<ChoiceTaskSettings>,
  { session, engine, signal, data }: SeedPlace,
): Promise<FinetuneOutcome> {
  const { model, task, transfer, train, outputDir } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { maxSeqLength, packed } = task;
  const learnt = multipleChoice({ ...choiceColumns(task), tokenizer, maxSeqLength, packed });
  const tables = tablesIn(data ?? (await openRecipeData(recipe)));
  const finetuned = await session.watchTraining((listener) =>
    finetuneMultipleChoice(model, learnt, tables, {
      ...train,
      ...transfer,
      ...{ outputDir, engine, dtype: recipe.engine.dtype, listener, signal },
    }),
  );
  const { run, evaluation } = finetuned;
  const modelFolder = modelPlace(outputDir, run);
  if (modelFolder !== undefined) await finetuned.save(modelFolder);
  const figures = evaluation && { accuracy: evaluation.accuracy, loss: evaluation.loss };
  return { seed: train.seed, run, evaluation, figures, report: undefined, modelFolder };
}
