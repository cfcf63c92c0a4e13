/** @file A fine-tuning recipe with growing parts of its training data, pre-trained and from scratch. */
import { join } from "node:path";
import { ConfigError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { formatJson } from "../../formats/json-file.ts";
import {
  baselineRows,
  type JudgedRow,
  judgedFigures,
  type LearningCurve,
  learningCurve,
  learningCurveReport,
  learningCurveSvg,
} from "../../selection/index.ts";
import { lowerIsBetter } from "../../selection/trial.ts";
import type { Session } from "../session.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { isJudged, judgeRun, selectionText } from "./judge-run.ts";
import { dropCheckpoints, judgePlace, recipeFacts, runOne, withManyRuns } from "./many-runs.ts";
import { openRecipeData, sourcePart, trainingItems, withLabels } from "./recipe-data.ts";

/** Names of what is written into the folder. */
export const curveFiles = ["report.html", "curve.svg", "figures.json"] as const;

/**
 * Draws the learning curve of a recipe on its held-out data.
 * @param shares of the training data, in (0, 1]
 * @throws {ConfigError} CONFIG_MISSING without held-out data
 */
export function runCurve(session: Session, recipe: FinetuneRecipe, shares: readonly number[]): Promise<LearningCurve> {
  if (recipe.data.eval === null) {
    const message = "must be given: a learning curve is drawn over figures on held-out data.";
    throw new ConfigError("recipe", [{ path: "data.eval", message, code: "CONFIG_MISSING" }]);
  }
  return withManyRuns(session, recipe, async (place) => {
    const { outputDir, seeds, transfer } = recipe;
    const data = await openRecipeData(recipe);
    const { units, labels, truth } = await trainingItems(recipe, data.train);
    const whole = withLabels(recipe, labels);
    let judged: readonly JudgedRow[] = [];
    let names: readonly string[] = [];
    const curve = await learningCurve({
      ...{ units, shares, seeds, outputDir, signal: place.signal, figure: transfer.selectionFigure },
      higherIsBetter: !lowerIsBetter.includes(transfer.selectionFigure),
      facts: recipeFacts(recipe),
      run: async ({ share, units: part, start, seed, outputDir: folder }) => {
        session.say(
          `${part.length} items (${Number((100 * share).toPrecision(4))} %), ${start}, seed ${seed}: ${folder}`,
        );
        const started = { ...whole, transfer: { ...transfer, fromScratch: start === "from scratch" } };
        const own = { outputDir: folder!, seed, data: { train: sourcePart(data.train, part), eval: data.eval } };
        const { recipe: one, outcome } = await runOne(started, place, own);
        if (outcome.modelFolder === undefined) return undefined;
        const selection = selectionText(one, outcome.run);
        const judging = { ...judgePlace(one, place), selection };
        const found = isJudged(one) ? await judgeRun(one, outcome.modelFolder, data.eval!, judging) : undefined;
        await dropCheckpoints(folder!);
        judged = found?.rows ?? [];
        const figures = { ...outcome.figures, ...judgedFigures(judged) };
        names = Object.keys(figures);
        return figures;
      },
      baseline: async () => {
        const baseline = baselineRows(truth, judged);
        return baseline && judged.length > 0
          ? { name: baseline.name, figures: judgedFigures(baseline.rows) }
          : undefined;
      },
    });
    if (curve.runs.length === 0) return curve;
    if (names.length > 0 && !names.includes(curve.figure)) {
      session.say(`The runs have no figure ${curve.figure}; they have ${names.join(", ")}.`);
    }
    const [page, picture, figures] = curveFiles;
    await writeFileAtomic(
      join(outputDir, page),
      learningCurveReport(curve, { title: `Learning curve: ${recipe.data.train}` }),
    );
    await writeFileAtomic(join(outputDir, picture), learningCurveSvg(curve));
    await writeFileAtomic(join(outputDir, figures), formatJson(JSON.parse(JSON.stringify(curve))));
    return curve;
  });
}
