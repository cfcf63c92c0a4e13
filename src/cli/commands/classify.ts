/** @file `firth evaluate`: figures of a fine-tuned model. */
import type { Command } from "commander";
import { isAnswerModel } from "../../api/answer-model.ts";
import { evaluate } from "../../api/evaluate.ts";
import { evaluateTask } from "../../api/evaluate-task.ts";
import type { WrittenPair } from "../../api/evaluate-writing.ts";
import { isFeatureModel, loadFeatureModel, openFeaturePredictor } from "../../api/feature-model.ts";
import type { PredictOptions } from "../../api/predict.ts";
import { withScorer } from "../../api/predict-score.ts";
import { isWriterFolder } from "../../api/saved-task.ts";
import { ConfigError } from "../../base/errors.ts";
import type { TableSource } from "../../data/table.ts";
import { defineFields, integerField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { requireWritableFile } from "../../formats/writable-file.ts";
import { isRegression } from "../../tasks/regression-data.ts";
import { type Given, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import type { Session } from "../session.ts";
import { givenEngine, ownLengthField, useFields } from "../settings/engine.ts";
import { savedColumns, type TaskColumns } from "../settings/task.ts";
import { namedTableFields, openTable } from "../settings/text.ts";
import { evaluateAnswers } from "./answer.ts";
import { evaluateChoices, isChooserModel } from "./choose.ts";
import { checkTaskOption, openGivenClassifier, taskOption } from "./given-classifier.ts";
import { givenColumn, givenColumns } from "./given-column.ts";
import { addJudgeOptions, checkJudged, refuseJudged, wantsJudged, writeJudgement } from "./judge.ts";
import { evaluateTags, isTaggerModel } from "./tag.ts";
import { type EvaluatedPlace, refuseLayout, refuseOwned, tellClasses, tellNumbers } from "./told-evaluation.ts";
import { addWritingOptions, evaluateWrites, pairFiles, refuseWriting, writerOptions } from "./write.ts";

const fields = defineFields({
  batchSize: integerField({ default: 32, min: 1, doc: "Texts computed together." }),
  maxSeqLength: ownLengthField,
  ...namedTableFields,
  ...useFields,
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
  const { batchSize, maxSeqLength, quantize, engine, dtype, threads, binding, onednnLibrary, plugin, ...reading } =
    settings;
  const options = {
    batchSize,
    quantize,
    ...givenEngine({ engine, dtype, threads, binding, onednnLibrary, plugin }),
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
  const what = "figures of a fine-tuned model on held-out data";
  addOptions(
    command.description(what),
    "labelled table; tagged sentences, questions with answers or sources with targets for models of these",
  )
    .option("--label <column>", "column of the class or number; as in fine-tuning")
    .option("--skip-labels <labels...>", "leave out rows with one of these labels")
    .option(
      "--answers <folder>",
      "for a model that answers questions: write its answers there, as official scripts read them",
    );
  addWritingOptions(command);
  addJudgeOptions(command);
  return runs(command, async (session, given, [model]) => {
    const settings = settingsOf(given);
    await checkJudged(given);
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
  const source = () => openTable(given.data as string, reading);
  const place = { model, data: given.data as string };
  if (isFeatureModel(model)) {
    refuseWriting(given);
    await evaluateFeatures(session, place, source(), { given, options: { ...options, onNotice } });
    return undefined;
  }
  if (await isWriterFolder(model)) {
    refuseOwned(given, ["text"]);
    if (given.written !== undefined) await requireWritableFile(given.written as string);
    return evaluateWrites(session, model, pairFiles(given, reading), writerOptions(given, options));
  }
  refuseWriting(given);
  if (await isAnswerModel(model)) {
    refuseOwned(given, ["answers"]);
    refuseLayout(reading, "questions");
    const files = { file: given.data as string, outputDir: given.answers as string | undefined };
    await evaluateAnswers(session, model, files, {
      ...withoutLength("models that answer questions", options),
      onNotice,
    });
    return undefined;
  }
  const task = given.task as string | undefined;
  if (await isTaggerModel(model, task)) {
    refuseOwned(given, []);
    refuseLayout(reading, "tagged");
    await evaluateTags(
      session,
      { model, task },
      { file: given.data as string, reading },
      { ...withoutLength("taggers", options), onNotice },
    );
    return undefined;
  }
  if (await isChooserModel(model)) {
    refuseOwned(given, []);
    const own = { ...withoutLength("models that choose", options), onNotice };
    await evaluateChoices(session, model, source(), own);
    return undefined;
  }
  const opened = await openGivenClassifier("evaluate", model, task);
  const { classifier } = opened;
  const columns = columnsOf(opened.columns, given);
  if (opened.task?.task.kind === "textRanking") {
    refuseOwned(given, ["text", "label"]);
    refuseJudged(given);
    tellNumbers(session, place, await evaluateTask(opened.task, source(), { ...options, ...columns, onNotice }));
    return undefined;
  }
  if (isRegression(classifier.preserved)) {
    refuseOwned(given, ["text", "label"]);
    const figures = withScorer(classifier, { ...options, onNotice }, (scorer) => scorer.evaluate(source(), columns));
    tellNumbers(session, place, await figures);
    return undefined;
  }
  refuseOwned(given, ["text", "label", "skipLabels"]);
  const skipLabels = given.skipLabels as readonly string[] | undefined;
  const asked = { ...options, ...columns, skipLabels, onNotice };
  tellClasses(session, place, await evaluate(classifier, source(), asked));
  return undefined;
}

/** Figures of a head over an encoder's vectors. */
async function evaluateFeatures(
  session: Session,
  place: EvaluatedPlace,
  source: TableSource,
  { given, options }: { readonly given: Given; readonly options: PredictOptions },
): Promise<void> {
  const model = await loadFeatureModel(place.model);
  const columns = columnsOf(await savedColumns(place.model), given);
  const isClasses = model.labels.length > 1;
  refuseOwned(given, ["text", "label", ...(isClasses ? ["skipLabels" as const] : [])]);
  const skipLabels = given.skipLabels as readonly string[] | undefined;
  const predictor = await openFeaturePredictor(model, options);
  try {
    const evaluation = await predictor.evaluate(source, { ...columns, ...(skipLabels && { skipLabels }) });
    if ("confusion" in evaluation) tellClasses(session, place, evaluation);
    else tellNumbers(session, place, evaluation);
  } finally {
    await predictor.dispose();
  }
}
