/** @file `firth predict`: what any fine-tuned model says of the rows of a table. */
import type { Command } from "commander";
import { isFeatureModel } from "../../api/feature-model.ts";
import { isMultiTaskModel } from "../../api/multi-task-model.ts";
import type { RowPredictor, RowPredictorOptions } from "../../api/row-prediction.ts";
import { classRowPredictor, openRowPredictor, tagRowPredictor } from "../../api/row-predictor.ts";
import { isWriterFolder } from "../../api/saved-task.ts";
import { choiceField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { requireWritableFile } from "../../formats/writable-file.ts";
import type { GenerationInput } from "../../generation/settings.ts";
import { generationFields } from "../../generation/settings.ts";
import { type Given, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { requireFinetuned } from "../model-use.ts";
import { count } from "../number-text.ts";
import { givenEngine, ownLengthField, useFields } from "../settings/engine.ts";
import type { TaggedFileSettings } from "../settings/tagging-task.ts";
import { namedTableFields } from "../settings/text.ts";
import { checkTaskOption, openGivenClassifier, taskOption } from "./given-classifier.ts";
import { givenColumns } from "./given-column.ts";
import { areLines, inputFormats, openModelRows, openRows } from "./row-input.ts";
import { formatOfName, outputFormats, writeRows } from "./row-output.ts";
import { isTaggerModel, openGivenTagger } from "./tag.ts";

const fields = defineFields({
  input: choiceField(inputFormats, { default: "auto", doc: "What --data is; auto: by its name, jsonl for -." }),
  outputFormat: nullableField(
    choiceField(outputFormats, {
      doc: "Form of the result; by the name of --output, else jsonl. text: predictions alone.",
    }),
  ),
  batchSize: nullableField(integerField({ min: 1, doc: "Texts computed together; 32, or 8 that are written." })),
  maxSeqLength: ownLengthField,
  ...namedTableFields,
  ...useFields,
});
const predictTable = defineConfig({ name: "predict", fields });

/** The model of a folder, or one task out of several; of a tagger also how its training file was read. */
async function opened(
  folder: string,
  given: Given,
  options: RowPredictorOptions,
): Promise<{ readonly predictor: RowPredictor; readonly tagged?: TaggedFileSettings }> {
  const task = given.task as string | undefined;
  checkTaskOption(folder, task);
  if (await isTaggerModel(folder, task)) {
    const { tagger, reading } = await openGivenTagger(folder, task);
    return { predictor: await tagRowPredictor(tagger, options), tagged: reading };
  }
  if (!isMultiTaskModel(folder)) {
    if (!isFeatureModel(folder) && !(await isWriterFolder(folder))) await requireFinetuned("predict", folder);
    return { predictor: await openRowPredictor(folder, options) };
  }
  const { classifier, columns } = await openGivenClassifier("predict", folder, task);
  return {
    predictor: await classRowPredictor(classifier, { ...options, columns: options.columns ?? columns.textColumns }),
  };
}

/** `firth predict MODEL --data FILE|-`. */
export function predictCommand(command: Command): Command {
  command
    .description(
      "what a fine-tuned model says of each row, whatever it is for: classes, numbers, tags and entities, answers, chosen options, written texts; the row's own fields are kept",
    )
    .argument("<model>", "folder of a fine-tuned model")
    .requiredOption(
      "-d, --data <file>",
      "table (.jsonl, .csv, .tsv), lines of text (.txt), or - for standard input; of taggers also .conllu and .conll, of models that answer questions SQuAD's .json",
    )
    .option("-o, --output <file>", "file for the result, there whole or not at all; standard output if not given")
    .option("--text <columns...>", "columns that are read, by name or number from 0; as in fine-tuning if not given")
    .option("--as <field>", "field for the prediction; other fields are named after it", "prediction")
    .option(...taskOption);
  addFieldOptions(command, fields);
  addFieldOptions(command, generationFields);
  return runs(command, async (session, given, [model]) => {
    const settings = predictTable.resolve(fieldValues(given, fields));
    const { input, outputFormat, batchSize, maxSeqLength, quantize, engine, dtype, threads, binding, ...rest } =
      settings;
    const { onednnLibrary, plugin, ...reading } = rest;
    const { data, as, output } = given as { readonly data: string; readonly as: string; readonly output?: string };
    if (output !== undefined) await requireWritableFile(output);
    const table = openRows(data, input, reading);
    const columns = givenColumns(given.text as string[] | undefined) ?? (areLines(data, input) ? ["text"] : undefined);
    const { predictor, tagged } = await opened(model!, given, {
      ...givenEngine({ engine, dtype, threads, binding, onednnLibrary, plugin }),
      ...{ as, quantize, columns, generation: fieldValues(given, generationFields) as GenerationInput },
      ...(batchSize === null ? {} : { batchSize }),
      ...(maxSeqLength === null ? {} : { maxSeqLength }),
      onNotice: (message) => session.say(message),
    });
    try {
      const format = outputFormat ?? formatOfName(output);
      const source = openModelRows(data, input, { task: predictor.task, tagged }, reading) ?? table;
      const rows = predictor.predictRows(source);
      const place = { format, output, source: source.name };
      // Standard output shows what there is: it may end anywhere. A file may not.
      const numRows = await (output === undefined
        ? writeRows(session, rows, place)
        : session.stoppable((signal) => writeRows(session, rows, { ...place, signal })));
      if (output !== undefined) session.say(`${output}: ${count(numRows)} rows`);
    } finally {
      await predictor.dispose();
    }
  });
}
