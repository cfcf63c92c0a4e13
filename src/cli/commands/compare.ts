/** @file `firth compare`: whether one run is better than another on the same held-out data. */
import type { Command } from "commander";
import { defineFields, integerField, numberField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { compareRuns, comparisonText, readJudged } from "../../selection/index.ts";
import { runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";

const fields = defineFields({
  resamples: integerField({ default: 10_000, min: 1, doc: "How often the rows are drawn anew." }),
  seed: integerField({ default: 0, min: 0, doc: "Of the draws." }),
  confidence: numberField({ default: 0.95, min: 0.5, max: 0.9999, doc: "Share of the resamples in the intervals." }),
});
const compareTable = defineConfig({ name: "compare", fields });

/** `firth compare RUN RUN`. */
export function compareCommand(command: Command): Command {
  command
    .description("paired bootstrap between what two runs predicted for the same held-out data")
    .argument("<first>", "folder of a run, or a file of predictions (predictions.jsonl)")
    .argument("<second>", "another")
    .option("--figure <name>", "as accuracy, f1, matthews, pearson, bleu; the task's usual one if not given");
  addFieldOptions(command, fields);
  return runs(command, async (session, given, [first, second]) => {
    const { resamples: numResamples, seed, confidence } = compareTable.resolve(fieldValues(given, fields));
    const figure = given.figure as string | undefined;
    const [own, other] = [await readJudged(first!), await readJudged(second!)];
    const comparison = compareRuns(own, other, { figure, numResamples, seed, confidence });
    session.result({ runs: [first, second], ...comparison }, comparisonText(comparison, [first!, second!]));
  });
}
