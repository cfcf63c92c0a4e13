/** @file `firth evaluate`: figures of a fine-tuned model. */
import type { Command } from "commander";
import { isAnswerModel } from "../../api/answer-model.ts";
import { evaluate } from "../../api/evaluate.ts";
import { evaluateTask } from "../../api/evaluate-task.ts";
import type { WrittenPair } from "../../api/evaluate-writing.ts";
import { withScorer } from "../../api/predict-score.ts";
import { ConfigError } from "../../base/errors.ts";
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
import { count, table } from "../number-text.ts";
import type { Session } from "../session.ts";
import { engineFields, givenEngine } from "../settings/engine.ts";
import type { TaskColumns } from "../settings/task.ts";
import { openTable, tableFields } from "../settings/text.ts";
import { evaluateAnswers } from "./answer.ts";
import { evaluateChoices, isChooserModel } from "./choose.ts";
import { checkTaskOption, openGivenClassifier, taskOption } from "./given-classifier.ts";
import { givenColumn, givenColumns } from "./given-column.ts";
import { addJudgeOptions, wantsJudged, writeJudgement } from "./judge.ts";
import { evaluateTags, isTaggerModel } from "./tag.ts";
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
    .option("--text <columns...>", "column of the text by name or number from 0, or two; as in fine-tuning")
    .option(...taskOption);
  return addFieldOptions(command, fields);
}

/** The columns of the model, or those given. */
function columnsOf(saved: TaskColumns, given: Given): TaskColumns {
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

/** What models take of these options that read texts as long as in fine-tuning. @param what they are called in messages */
function withoutLength(what: string, { maxSeqLength, ...options }: ReturnType<typeof settingsOf>["options"]) {
  if (maxSeqLength === undefined) return options;
  const message = `is fixed in ${what}. Leave it out.`;
  throw new ConfigError("predict", [{ path: "maxSeqLength", message, code: "CONFIG_UNSUPPORTED" }]);
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
  addJudgeOptions(command);
  return runs(command, async (session, given, [model]) => {
    const settings = settingsOf(given);
    const written = await evaluateGiven(session, given, model!, settings);
    if (!wantsJudged(given)) return;
    const { reading, options } = settings;
    const columns = (saved: TaskColumns): TaskColumns => columnsOf(saved, given);
    await writeJudgement(
      session,
      { model: model!, file: given.data as string, reading, columns, written },
      given,
      options,
    );
  });
}

/** Tells the figures of a model, whatever it is for. @returns what it wrote, where it writes */
async function evaluateGiven(
  session: Session,
  given: Given,
  model: string,
  { reading, options }: ReturnType<typeof settingsOf>,
): Promise<readonly WrittenPair[] | undefined> {
  checkTaskOption(model, given.task as string | undefined);
  const onNotice = (message: string): void => session.say(message);
  if (await isWriterModel(model)) {
    return evaluateWrites(session, model, pairFiles(given, reading), writerOptions(given, options));
  }
  refuseWriting(given);
  if (await isAnswerModel(model)) {
    const files = { file: given.data as string, outputDir: given.answers as string | undefined };
    await evaluateAnswers(session, model, files, {
      ...withoutLength("models that answer questions", options),
      onNotice,
    });
    return undefined;
  }
  if (await isTaggerModel(model)) {
    await evaluateTags(
      session,
      model,
      { file: given.data as string, reading },
      { ...withoutLength("taggers", options), onNotice },
    );
    return undefined;
  }
  if (await isChooserModel(model)) {
    const own = { ...withoutLength("models that choose", options), onNotice };
    await evaluateChoices(session, model, openTable(given.data as string, reading), own);
    return undefined;
  }
  const opened = await openGivenClassifier("evaluate", model, given.task as string | undefined);
  const { classifier } = opened;
  const columns = columnsOf(opened.columns, given);
  const source = openTable(given.data as string, reading);
  const tell = (figures: object): void => {
    const numbers = Object.entries(figures).filter(([, value]) => typeof value === "number");
    const rows = numbers.map(([name, value]): [string, string] => [
      name,
      Number.isInteger(value) ? count(value) : value.toFixed(4),
    ]);
    session.result({ model, data: given.data, ...figures }, table(rows));
  };
  if (opened.task?.task.kind === "textRanking") {
    tell(await evaluateTask(opened.task, source, { ...options, ...columns, onNotice }));
    return undefined;
  }
  if (isRegression(classifier.preserved)) {
    tell(await withScorer(classifier, { ...options, onNotice }, (scorer) => scorer.evaluate(source, columns)));
    return undefined;
  }
  const skipLabels = given.skipLabels as readonly string[] | undefined;
  const evaluation = await evaluate(classifier, source, { ...options, ...columns, skipLabels, onNotice });
  session.result({ model, data: given.data, ...evaluation }, formatClassificationReport(evaluation).trimEnd());
  const { numTruncated, numSkipped } = evaluation;
  if (numTruncated > 0) session.say(`${count(numTruncated)} texts were cut to the longest length.`);
  if (numSkipped > 0) session.say(`${count(numSkipped)} rows were left out for their label.`);
  return undefined;
}
