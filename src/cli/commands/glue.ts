/** @file `firth glue`: the nine tasks as a whole. */
import { type Command, InvalidArgumentError } from "commander";
import { type GlueReport, glue } from "../../api/glue.ts";
import type { Backend } from "../../backend/backend.ts";
import { formatSpread } from "../../evaluation/index.ts";
import { withEngine } from "../../runtime.ts";
import { glueTaskNames } from "../../tasks/index.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { table } from "../number-text.ts";
import { checkGlueRecipe, glueFields } from "../recipe/glue-recipe.ts";
import { readRecipe } from "../recipe/read-recipe.ts";
import { givenEngine } from "../settings/engine.ts";

/** Numbers with commas. */
function numbers(isRight: (value: number) => boolean, what: string) {
  return (text: string): number[] => {
    const values = text.split(",").map(Number);
    if (values.every(isRight)) return values;
    throw new InvalidArgumentError(`must be ${what} with commas.`);
  };
}

const rates = numbers((value) => value > 0 && value < 1, "rates in (0, 1)");
const sizes = numbers((value) => Number.isInteger(value) && value >= 1, "whole numbers ≥ 1");
const seedList = numbers((value) => Number.isInteger(value) && value >= 0, "whole numbers");

function figuresText(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value.toFixed(1)}`)
    .join(", ");
}

function reportText({ tasks, missing, average, averageOfMeans, averageRelativeToHuman, ...rest }: GlueReport): string {
  const rows = tasks.map(({ title, best, spread, relativeToHuman }): [string, string] => [
    title,
    `${figuresText(best.figures)} (rate ${best.learningRate}, batch ${best.batchSize}, seed ${best.seed}); seeds ${formatSpread(spread, 2)}; ${relativeToHuman.toFixed(3)} of people's`,
  ]);
  const left = missing.map(({ name, reason }): [string, string] => [name, `left out: ${reason}`]);
  const scope = rest.isWhole ? "average of the nine tasks" : `average of these ${tasks.length} tasks, not GLUE's`;
  const tail: [string, string][] =
    tasks.length === 0
      ? []
      : [
          [scope, `best ${average.toFixed(2)}; seeds' means ${averageOfMeans.toFixed(2)}`],
          ["relative to people", averageRelativeToHuman.toFixed(3)],
        ];
  return `${table([...rows, ...left, ...tail])}\n\nSelection: ${rest.selection}.`;
}

const ownOptions = ["data", "model", "outputDir", "tasks", "seeds", "learningRates", "batchSizes"];

/** `firth glue [RECIPE] --data DIR --model MODEL`. */
export function glueCommand(command: Command): Command {
  command
    .description("fine-tune for the tasks of GLUE: official figures on the dev sets, submission files")
    .argument("[recipe]", "YAML file of these settings; options override it")
    .option("-d, --data <folder>", "folder with CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE, WNLI")
    .option("-m, --model <folder>", "folder of a pre-trained model")
    .option("-o, --output-dir <folder>", "runs, report.json and submission files; nothing is kept without it")
    .option("--tasks <names...>", `among ${glueTaskNames.join(", ")}; all if not given`)
    .option("--seeds <list>", "each setting with each of these, as 1,2,3 (1)", seedList)
    .option("--learning-rates <list>", "peak rates that are tried (5e-5,4e-5,3e-5,2e-5)", rates)
    .option("--batch-sizes <list>", "batch sizes that are tried (32)", sizes);
  addFieldOptions(command, glueFields);
  return runs(command, async (session, given, [path]) => {
    const own = Object.fromEntries(
      ownOptions.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
    );
    const written = path === undefined ? {} : await readRecipe(path);
    const settings = checkGlueRecipe({ ...written, ...fieldValues(given, glueFields), ...own }, path ?? "glue");
    const {
      kind: _kind,
      data,
      model,
      outputDir,
      tasks,
      seeds,
      learningRates,
      batchSizes,
      maxSeqLength,
      ...rest
    } = settings;
    const { tokenizer, numEpochs, fromScratch, ...engineGiven } = rest;
    const { engine: chosen, dtype } = givenEngine(engineGiven);
    const read = await loadTokenizer(tokenizer ?? model);
    const run = (engine: Backend): Promise<GlueReport> =>
      session.stoppable((signal) =>
        session.watchTraining((listener) =>
          glue(model, data, {
            tokenizer: read,
            tasks,
            seeds,
            learningRates,
            batchSizes,
            maxSeqLength,
            outputDir: outputDir ?? undefined,
            train: { numEpochs, fromScratch, engine, dtype, listener, signal },
            onNotice: (message) => listener({ kind: "notice", message }),
          }),
        ),
      );
    const report = await withEngine(chosen, run, dtype);
    session.result(report, reportText(report));
  });
}
