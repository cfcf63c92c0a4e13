import type { FinetuneOutcome, SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { runSeed } from "./finetune-seed.ts";
import { isJudged, judgeRun, selectionText } from "./judge-run.ts";
import { openRecipeData } from "./recipe-data.ts";

/** One run whose folder has been claimed, and what its model makes of the held-out data, row by row. */
export async function judgedSeed(recipe: FinetuneRecipe, place: SeedPlace): Promise<FinetuneOutcome> {
  const outcome = await runSeed(recipe, place);
  const { modelFolder, run } = outcome;
  if (modelFolder === undefined || recipe.data.eval === null || !isJudged(recipe)) return outcome;
  const { eval: held } = place.data ?? (await openRecipeData(recipe));
  const { train, engine } = recipe;
  const judged = await judgeRun(recipe, modelFolder, held!, {
    ...{ engine: place.engine, dtype: engine.dtype, batchSize: train.batchSize },
    selection: selectionText(recipe, run),
  });
  return judged === undefined ? outcome : { ...outcome, files: [judged.predictions, judged.report] };
}
