/** @file One seed's run of a recipe about choosing between options. */
import { join } from "node:path";
import { choiceColumns } from "../../api/choice-columns.ts";
import { finetuneMultipleChoice } from "../../api/finetune-multiple-choice.ts";
import { multipleChoice } from "../../tasks/multiple-choice.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import type { ChoiceTaskSettings } from "../settings/choice-task.ts";
import { openTable } from "../settings/text.ts";
import type { FinetuneOutcome, SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { tablesIn } from "./recipe-data.ts";

/** Fine-tunes a model that chooses between options, and writes it. */
export async function choiceSeed(
  { model, task, data, transfer, train, outputDir, ...recipe }: FinetuneRecipe<ChoiceTaskSettings>,
  { session, engine, signal, data: parts }: SeedPlace,
): Promise<FinetuneOutcome> {
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { maxSeqLength, packed } = task;
  const learnt = multipleChoice({ ...choiceColumns(task), tokenizer, maxSeqLength, packed });
  const tables =
    parts === undefined
      ? {
          train: openTable(data.train, data),
          ...(data.eval === null ? {} : { eval: openTable(data.eval, data) }),
        }
      : tablesIn(parts);
  const finetuned = await session.watchTraining((listener) =>
    finetuneMultipleChoice(model, learnt, tables, {
      ...train,
      ...transfer,
      ...{ outputDir, engine, dtype: recipe.engine.dtype, listener, signal },
    }),
  );
  const { run, evaluation } = finetuned;
  const modelFolder = run.reason === "interrupted" ? undefined : join(outputDir, "model");
  if (modelFolder !== undefined) await finetuned.save(modelFolder);
  const figures = evaluation && { accuracy: evaluation.accuracy, loss: evaluation.loss };
  return { seed: train.seed, run, evaluation, figures, report: undefined, modelFolder };
}
