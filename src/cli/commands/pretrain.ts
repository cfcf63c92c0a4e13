import type { Command } from "commander";
import { perplexity } from "../../evaluation/index.ts";
import { runs } from "../define-command.ts";
import { table } from "../number-text.ts";
import { formatBytes, formatDuration, formatFigure } from "../progress/index.ts";
import { checkPretrainRecipe } from "../recipe/pretrain-recipe.ts";
import { addRecipeOptions, givenRecipe } from "../recipe/recipe-options.ts";
import { runPretrain } from "../recipe/run-pretrain.ts";
import { peakRssBytes } from "../steps.ts";

/** `firth pretrain RECIPE`. */
export function pretrainCommand(command: Command): Command {
  addRecipeOptions(command.description("pre-train a model from text, or go on with a run that was interrupted"));
  return runs(command, async (session, given, [path]) => {
    const recipe = checkPretrainRecipe(await givenRecipe(path!, given, "pretrain"), path!);
    const started = performance.now();
    const { pretrained, modelFolder } = await runPretrain(session, recipe);
    const { steps, reason, selectedStep } = pretrained.run;
    const { evalLoss, evaluations } = pretrained;
    const seconds = (performance.now() - started) / 1000;
    const result = {
      outputDir: recipe.outputDir,
      model: modelFolder ?? null,
      reason,
      steps,
      selectedStep,
      evalLoss: evalLoss ?? null,
      perplexity: evalLoss === undefined ? null : perplexity(evaluations.at(-1)?.means.mlm ?? evalLoss),
      seconds,
      peakRssBytes: peakRssBytes(),
    };
    const rows: [string, string][] = [
      ["ended", `${reason}, after ${steps} steps and ${formatDuration(seconds)}`],
      ["peak memory", formatBytes(result.peakRssBytes)],
    ];
    if (evalLoss !== undefined && result.perplexity !== null) {
      rows.push(["held-out loss", `${formatFigure(evalLoss)} nats`], ["perplexity", formatFigure(result.perplexity)]);
    }
    rows.push(
      modelFolder === undefined
        ? ["checkpoint", `in ${recipe.outputDir}; the same command goes on from there`]
        : ["model", modelFolder],
    );
    session.result(result, table(rows));
  });
}
