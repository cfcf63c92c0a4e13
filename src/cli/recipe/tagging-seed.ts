/** @file One seed's run of a recipe that tags words. */
import { join } from "node:path";
import { finetuneTagging } from "../../api/finetune-tagging.ts";
import { saveClassifier } from "../../api/load.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { formatTaggingResult, taggingFigures } from "../../tasks/tagging-evaluation.ts";
import { tokenClassification } from "../../tasks/token-classification.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { openCrossViews } from "../settings/cross-view.ts";
import { type TaggingTaskSettings, taggingTaskFile } from "../settings/tagging-task.ts";
import { type FinetuneOutcome, modelPlace, type SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { openRecipeData, taggedIn } from "./recipe-data.ts";

/** Fine-tunes a tagger, and writes its model. */
export async function taggingSeed(
  recipe: FinetuneRecipe<TaggingTaskSettings>,
  { session, engine, signal, data: parts }: SeedPlace,
): Promise<FinetuneOutcome> {
  const { model, task, data, transfer, train, outputDir } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { scheme, labels, maxSeqLength, overlap, packed, crf, constrained } = task;
  const learnt = tokenClassification({
    ...{ tokenizer, maxSeqLength, overlap, packed, crf, constrained },
    labels: labels ?? undefined,
    scheme: scheme === "keep" ? null : scheme,
  });
  const files = taggedIn(parts ?? (await openRecipeData(recipe)));
  const finetuned = await session.watchTraining((listener) =>
    finetuneTagging(model, learnt, files, {
      ...train,
      ...transfer,
      ...openCrossViews(recipe.crossView, { tagged: task, data }),
      outputDir,
      engine,
      dtype: recipe.engine.dtype,
      listener,
      signal,
    }),
  );
  const { run, evaluation } = finetuned;
  const modelFolder = modelPlace(outputDir, run);
  if (modelFolder !== undefined) {
    await saveClassifier(modelFolder, finetuned, async (temporary) => {
      const [name, text] = taggingTaskFile(task);
      await writeFileAtomic(join(temporary, name), text);
    });
  }
  const shown = evaluation && taggingFigures(evaluation);
  return {
    seed: train.seed,
    run,
    evaluation,
    figures: shown && { ...shown.means, loss: shown.loss },
    report: evaluation && formatTaggingResult(evaluation),
    modelFolder,
  };
}
