/** @file `firth evaluate`, `firth predict`: what a fine-tuned classifier says. */
import type { Command } from "commander";
import { isAnswerModel } from "../../api/answer-model.ts";
import { evaluate } from "../../api/evaluate.ts";
import { type LoadedClassifier, loadClassifier } from "../../api/load.ts";
import { type PredictOptions, predictRows, type RowOptions } from "../../api/predict.ts";
import { openScorer, withScorer } from "../../api/predict-score.ts";
import type { TagOptions } from "../../api/tagger.ts";
import { ConfigError, DataError } from "../../base/errors.ts";
import { TableSource } from "../../data/table.ts";
import { formatClassificationReport } from "../../evaluation/index.ts";
import {
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { isRegression } from "../../tasks/regression-data.ts";
import { type Given, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { requireFinetuned } from "../model-use.ts";
import { count, table } from "../number-text.ts";
import { engineFields, givenEngine } from "../settings/engine.ts";
import { savedColumns, type TaskColumns } from "../settings/task.ts";
import { openTable, tableFields } from "../settings/text.ts";
import { answerFieldNames, answerRows, evaluateAnswers } from "./answer.ts";
import { givenColumn, givenColumns } from "./given-column.ts";
import { standardInput } from "./standard-input.ts";
import { evaluateTags, isTaggerModel, tagRows } from "./tag.ts";
import { addWritingOptions, evaluateWrites, isWriterModel, pairFiles, refuseWriting, writerOptions } from "./write.ts";

const fields = defineFields({
  batchSize: integerField({ default: 32, min: 1, doc: "Texts computed together." }),
  maxSeqLength: nullableField(integerField({ min: 5, doc: "Longest text in tokens; the model's own if not given." })),
  quantize: choiceField(["none", "int8"], { default: "none", doc: "Linear layers in 8 bits: faster, less exact." }),
  ...tableFields,
  columns: nullableField(
    listField(textField({ doc: "" }), { doc: "Names for the columns of a table without header." }),
  ),
  ...engineFields,
});
const classifyTable = defineConfig({ name: "classify", fields });

function addOptions(command: Command, data: string): Command {
  command
    .argument("<model>", "folder of a fine-tuned model")
    .requiredOption("-d, --data <file>", data)
    .option("--text <columns...>", "column of the text by name or number from 0, or two; as in fine-tuning");
  return addFieldOptions(command, fields);
}

/** The columns of the model, or those given. */
async function columnsOf(model: string, given: Given): Promise<TaskColumns> {
  const saved = await savedColumns(model);
  return {
    textColumns: givenColumns(given.text as string[] | undefined) ?? saved.textColumns,
    labelColumn: given.label === undefined ? saved.labelColumn : givenColumn(given.label as string),
  };
}

function settingsOf(given: Given) {
  const settings = classifyTable.resolve(fieldValues(given, fields));
  const { batchSize, maxSeqLength, quantize, engine, dtype, threads, binding, onednnLibrary, ...reading } = settings;
  const options = {
    batchSize,
    quantize,
    ...givenEngine({ engine, dtype, threads, binding, onednnLibrary }),
    ...(maxSeqLength === null ? {} : { maxSeqLength }),
  };
  return { reading, options };
}

/** What a model that answers questions takes of these options: its windows are as long as in fine-tuning. */
function answerOptions({ maxSeqLength, ...options }: ReturnType<typeof settingsOf>["options"]) {
  if (maxSeqLength === undefined) return options;
  const message = "is fixed in models that answer questions. Leave it out.";
  throw new ConfigError("predict", [{ path: "maxSeqLength", message, code: "CONFIG_AMBIGUOUS" }]);
}

/** Options that taggers have too. @throws {ConfigError} CONFIG_UNSUPPORTED for others */
function tagOptions({ quantize, maxSeqLength, ...options }: ReturnType<typeof settingsOf>["options"]): TagOptions {
  const given = Object.entries({ quantize: quantize !== "none", maxSeqLength: maxSeqLength !== undefined });
  const issues = given
    .filter(([, isGiven]) => isGiven)
    .map(([path]) => ({ path, message: "is not for taggers. Leave it out.", code: "CONFIG_UNSUPPORTED" }));
  if (issues.length > 0) throw new ConfigError("tagger", issues);
  return options;
}

/** `firth evaluate MODEL --data FILE`. */
export function evaluateCommand(command: Command): Command {
  const what = "figures of a fine-tuned model on a labelled table; of one that writes, on sources and targets";
  addOptions(command.description(what), "labelled table")
    .option("--label <column>", "column of the class; as in fine-tuning")
    .option("--skip-labels <labels...>", "leave out rows with one of these labels")
    .option(
      "--answers <folder>",
      "for a model that answers questions: write its answers there, as official scripts read them",
    );
  addWritingOptions(command);
  return runs(command, async (session, given, [model]) => {
    const { reading, options } = settingsOf(given);
    const onNotice = (message: string): void => session.say(message);
    if (await isWriterModel(model!)) {
      await evaluateWrites(session, model!, pairFiles(given, reading), writerOptions(given, options));
      return;
    }
    refuseWriting(given);
    if (await isAnswerModel(model!)) {
      const files = { file: given.data as string, outputDir: given.answers as string | undefined };
      await evaluateAnswers(session, model!, files, { ...answerOptions(options), onNotice });
      return;
    }
    if (await isTaggerModel(model!)) {
      await evaluateTags(session, model!, { file: given.data as string, reading }, tagOptions(options));
      return;
    }
    await requireFinetuned("evaluate", model!);
    const columns = await columnsOf(model!, given);
    const classifier = await loadClassifier(model!);
    const source = openTable(given.data as string, reading);
    if (isRegression(classifier.preserved)) {
      const figures = await withScorer(classifier, { ...options, onNotice }, (scorer) =>
        scorer.evaluate(source, columns),
      );
      const rows = Object.entries(figures).map(([name, value]): [string, string] => [
        name,
        Number.isInteger(value) ? count(value) : value.toFixed(4),
      ]);
      session.result({ model, data: given.data, ...figures }, table(rows));
      return;
    }
    const skipLabels = given.skipLabels as readonly string[] | undefined;
    const evaluation = await evaluate(classifier, source, { ...options, ...columns, skipLabels, onNotice });
    session.result({ model, data: given.data, ...evaluation }, formatClassificationReport(evaluation).trimEnd());
    const { numTruncated, numSkipped } = evaluation;
    if (numTruncated > 0) session.say(`${count(numTruncated)} texts were cut to the longest length.`);
    if (numSkipped > 0) session.say(`${count(numSkipped)} rows were left out for their label.`);
  });
}

const defaultField = "prediction";

/** The fields that a model adds to a row: a class and its probabilities, or a number alone. */
async function* predictedFields(
  classifier: LoadedClassifier,
  source: TableSource,
  options: PredictOptions & RowOptions,
  [as, shares]: readonly [string, string],
) {
  if (!isRegression(classifier.preserved)) {
    for await (const { fields: own, line, label, probabilities } of predictRows(classifier, source, options)) {
      yield { own, line, added: { [as]: label, [shares]: probabilities } };
    }
    return;
  }
  const scorer = await openScorer(classifier, options);
  try {
    for await (const { fields: own, line, score } of scorer.predictRows(source, options)) {
      yield { own, line, added: { [as]: score } };
    }
  } finally {
    await scorer.dispose();
  }
}

/** `firth predict MODEL --data FILE|-`. */
export function predictCommand(command: Command): Command {
  addOptions(
    command.description(
      "classes of texts, as JSON lines with the fields of the input and two more; numbers, with one more; answers to questions, or tags of words and entities, with their places",
    ),
    "table, or - for JSON lines on standard input",
  ).option("--as <field>", "field for the class; <field>Probabilities beside it", defaultField);
  return runs(command, async (session, given, [model]) => {
    const { reading, options } = settingsOf(given);
    const onNotice = (message: string): void => session.say(message);
    const { data, as } = given as { readonly data: string; readonly as: string };
    const source = data === "-" ? new TableSource("standard input", standardInput, {}) : openTable(data, reading);
    if (await isAnswerModel(model!)) {
      const columns = givenColumns(given.text as string[] | undefined) ?? ["question", "context"];
      if (columns.length !== 2) {
        const message = `must be two columns, of the question and its text; got ${columns.length}.`;
        throw new ConfigError("--text", [{ path: "textColumns", message, code: "CONFIG_RANGE" }]);
      }
      const rows = { source, columns, names: answerFieldNames(as, as === defaultField) };
      await answerRows(session, model!, rows, { ...answerOptions(options), onNotice });
      return;
    }
    if (await isTaggerModel(model!)) {
      const column = givenColumns(given.text as string[] | undefined)?.[0];
      const rows = { source, column, as, isUsual: as === defaultField };
      await tagRows(session, model!, rows, tagOptions(options));
      return;
    }
    await requireFinetuned("predict", model!);
    const { textColumns } = await columnsOf(model!, given);
    const classifier = await loadClassifier(model!);
    const shares = as === defaultField ? "probabilities" : `${as}Probabilities`;
    const settings = { ...options, textColumns, onNotice };
    for await (const row of predictedFields(classifier, source, settings, [as, shares])) {
      const taken = Object.keys(row.added).find((name) => Object.hasOwn(row.own, name));
      if (taken !== undefined) {
        throw new DataError(`line ${row.line}: has a field ${taken} of its own. Give --as another name.`, {
          code: "FIELD_TAKEN",
          path: source.name,
        });
      }
      await session.line(JSON.stringify({ ...row.own, ...row.added }));
    }
  });
}
