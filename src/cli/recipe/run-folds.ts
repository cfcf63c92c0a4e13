/** @file A fine-tuning recipe in k folds of its training data. */
import { join } from "node:path";
import { ConfigError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import {
  type CrossValidation,
  crossValidate,
  crossValidationReport,
  judgedFigures,
  judgedFile,
  writeJudged,
} from "../../selection/index.ts";
import type { Session } from "../session.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { isJudged, judgeModel } from "./judge-run.ts";
import { dropCheckpoints, judgePlace, recipeFacts, runOne, withManyRuns } from "./many-runs.ts";
import { openRecipeData, sourcePart, trainingItems, withLabels } from "./recipe-data.ts";

/** Of a fold's training part, where weights are chosen and there are no other data for it. */
const DEV_SHARE = 0.1;

/** Name of the page in the folder. */
export const foldsReportFile = "report.html";

/**
 * Cross-validates a recipe: test folds are looked at once, after weights were chosen by the recipe's eval data, or without them
 * by a part of the fold's training data.
 * @throws {ConfigError} FOLDS_TOO_MANY, TASK_UNSUPPORTED
 */
export function runFolds(session: Session, recipe: FinetuneRecipe, folds: number): Promise<CrossValidation> {
  if (!isJudged(recipe)) {
    const message = `is tested item by item in folds, which ${recipe.task.name} has not. Use firth search --folds, or --learning-curve.`;
    throw new ConfigError("recipe", [{ path: "task.name", message, code: "TASK_UNSUPPORTED" }]);
  }
  return withManyRuns(session, recipe, async (place) => {
    const data = await openRecipeData(recipe);
    const { units, labels } = await trainingItems(recipe, data.train);
    const whole = withLabels(recipe, labels);
    const { selectBest, earlyStoppingPatience } = recipe.train;
    const chooses = selectBest || earlyStoppingPatience !== null;
    const total = folds * recipe.seeds.length;
    let begun = 0;
    const result = await crossValidate({
      ...{ units, folds, seeds: recipe.seeds, outputDir: recipe.outputDir, signal: place.signal },
      devShare: chooses && data.eval === undefined ? DEV_SHARE : 0,
      facts: recipeFacts(recipe),
      run: async ({ fold, seed, train, dev, test, outputDir }) => {
        session.say(`Fold ${fold} of ${folds}, seed ${seed} (${++begun} of at most ${total} runs): ${outputDir}`);
        const held = data.eval ?? sourcePart(data.train, dev);
        const parts = { train: sourcePart(data.train, train), eval: chooses ? held : undefined };
        const { recipe: one, outcome } = await runOne(whole, place, { outputDir: outputDir!, seed, data: parts });
        if (outcome.modelFolder === undefined) return undefined;
        const tested = sourcePart(data.train, test);
        const rows = await judgeModel(one, outcome.modelFolder, tested, judgePlace(one, place));
        await writeJudged(join(outputDir!, judgedFile), rows);
        await dropCheckpoints(outputDir!);
        return judgedFigures(rows);
      },
    });
    if (result.runs.length > 0) {
      const page = crossValidationReport(result, { title: `${recipe.data.train} in ${folds} folds` });
      await writeFileAtomic(join(recipe.outputDir, foldsReportFile), page);
    }
    return result;
  });
}
