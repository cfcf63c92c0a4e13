/** @file `firth finetune RECIPE --folds 5` and `--learning-curve 1%,10%,100%`. */
import { type Command, InvalidArgumentError } from "commander";
import { ConfigError } from "../../base/errors.ts";
import { crossValidationText, learningCurveText } from "../../selection/index.ts";
import type { Given } from "../define-command.ts";
import { table } from "../number-text.ts";
import { checkFinetuneRecipe } from "../recipe/finetune-recipe.ts";
import type { Section } from "../recipe/problems.ts";
import { curveFiles, runCurve } from "../recipe/run-curve.ts";
import { foldsReportFile, runFolds } from "../recipe/run-folds.ts";
import type { Session } from "../session.ts";
import { parseShares } from "./seed-option.ts";

function parseFolds(text: string): number {
  const folds = Number(text);
  if (Number.isInteger(folds) && folds >= 2) return folds;
  throw new InvalidArgumentError("must be a whole number ≥ 2.");
}

/** Adds the options for many runs of one recipe. */
export function addManyOptions(command: Command): void {
  command
    .option(
      "--folds <number>",
      "cross-validation: each part of data.train is tested once, by models that learnt from the others; in <outputDir>-folds",
      parseFolds,
    )
    .option(
      "--learning-curve <shares>",
      "runs with growing parts of data.train, as 1%,10%,100%, pre-trained and from scratch; in <outputDir>-curve",
      parseShares,
    );
}

/** Whether a command asks for many runs. */
export function wantsMany(given: Given): boolean {
  return given.folds !== undefined || given.learningCurve !== undefined;
}

/** The recipe in a folder beside that of its single run, unless one is named. */
function beside(section: Section, given: Given, ending: string): Section {
  const isNamed = given.outputDir !== undefined || typeof section.outputDir !== "string";
  return isNamed ? section : { ...section, outputDir: `${section.outputDir}-${ending}` };
}

/** Carries out folds or a learning curve, and tells what came of them. */
export async function finetuneMany(session: Session, section: Section, given: Given, where: string): Promise<void> {
  const { folds, learningCurve: shares } = given as { readonly folds?: number; readonly learningCurve?: number[] };
  const refuse = (path: string, message: string): never => {
    throw new ConfigError(where, [{ path, message, code: "CONFIG_AMBIGUOUS" }]);
  };
  if (folds !== undefined && shares !== undefined) refuse("--folds", "cannot be given with --learning-curve.");
  if (shares !== undefined && given.fromScratch === true) {
    refuse("--from-scratch", "cannot be given with --learning-curve, which has both starts.");
  }
  if (given.explain === true) {
    const many = folds === undefined ? "--learning-curve" : "--folds";
    refuse("--explain", `cannot be given with ${many}, which trains. Leave one of the two out.`);
  }
  if (section.tasks !== undefined) {
    refuse(folds === undefined ? "--learning-curve" : "--folds", "is for recipes of one task, not of several.");
  }
  const recipe = checkFinetuneRecipe(beside(section, given, folds === undefined ? "curve" : "folds"), where);
  const { outputDir } = recipe;
  if (folds !== undefined) {
    const result = await runFolds(session, recipe, folds);
    const text = `${crossValidationText(result)}${table([["report", `${outputDir}/${foldsReportFile}`]])}`;
    session.result({ outputDir, ...result }, text);
    return;
  }
  const curve = await runCurve(session, recipe, shares!);
  const [page, picture] = curveFiles;
  const text = `${learningCurveText(curve)}${table([
    ["report", `${outputDir}/${page}`],
    ["picture", `${outputDir}/${picture}`],
  ])}`;
  session.result({ outputDir, ...curve }, text);
}
