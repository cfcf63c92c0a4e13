/** @file Every setting of every recipe, from the tables that check them. */

import { generationTable } from "../../generation/settings.ts";
import { bottleneckTable, loraTable } from "../../models/adapter/option.ts";
import { families } from "../../models/families.ts";
import { trainOptionsTable } from "../../train/options.ts";
import { strategyTables } from "../../transfer/resolve-strategy.ts";
import { dataTable, writtenField } from "../recipe/finetune-recipe.ts";
import { glueTable } from "../recipe/glue-recipe.ts";
import { textDataTable } from "../recipe/pretrain-recipe.ts";
import { searchFields } from "../recipe/search-recipe.ts";
import { answerHeadTable, mixingTable } from "../recipe/together-recipe.ts";
import { answerTaskTable } from "../settings/answer-task.ts";
import { choiceTaskTable } from "../settings/choice-task.ts";
import { crossViewTable } from "../settings/cross-view.ts";
import { engineTable } from "../settings/engine.ts";
import { featureTable } from "../settings/feature.ts";
import { objectiveChoices } from "../settings/objective/index.ts";
import { rankingTaskTable } from "../settings/ranking-task.ts";
import { retrievalTaskTable } from "../settings/retrieval-task.ts";
import { taggingTaskTable } from "../settings/tagging-task.ts";
import { taskTable } from "../settings/task.ts";
import { tokenizerFields } from "../settings/tokenizer.ts";
import { writingTaskTable } from "../settings/writing-task.ts";
import { type Chapter, type SettingGroup, setting, settingsOf } from "./setting-group.ts";

const outputDir = setting("outputDir", "text", "Folder of the run; --output-dir replaces it.");
const seeds = setting("seeds", "list of integer ≥ 0", "One run with each, one after the other.", "[train.seed]");
const ownTokenizer = setting("tokenizer", "text or null", "Folder of a tokenizer; null: the model's own.", "null");

function pretraining(): SettingGroup[] {
  return [
    {
      path: "",
      choice: "kind: pretrain",
      settings: [
        outputDir,
        setting("tokenizer", "text, or a section", "Folder of a tokenizer; or the section train, which learns one."),
      ],
    },
    {
      path: "model",
      settings: [
        setting("from", "text", "Folder of a model to go on with, instead of all others.", "null"),
        setting("family", `one of ${families.map(({ name }) => name).join(", ")}`, "Of a new network.", '"bert"'),
        setting("preset", "text or null", "A size of the family; its settings can be replaced one by one.", "null"),
      ],
    },
    ...families.map(({ name, settings, presets }) => ({
      path: "model",
      choice: `family: ${name}; presets ${presets.join(", ")}`,
      settings: settingsOf(settings, { inFiles: true }),
    })),
    { path: "tokenizer.train", settings: settingsOf(tokenizerFields) },
    { path: "data", choice: "kind: pretrain", settings: settingsOf(textDataTable.fields) },
    ...Object.entries(objectiveChoices).map(([name, { table }]) => ({
      path: "objective",
      choice: `name: ${name}`,
      settings: settingsOf(table.fields),
    })),
  ];
}

function tasks(): SettingGroup[] {
  const tables = {
    "textClassification, textRegression": taskTable,
    tokenClassification: taggingTaskTable,
    questionAnswering: answerTaskTable,
    multipleChoice: choiceTaskTable,
    retrieval: retrievalTaskTable,
    sequenceToSequence: writingTaskTable,
  };
  return Object.entries(tables).map(([name, { fields }]) => ({
    ...{ path: "task", choice: `name: ${name}` },
    settings: settingsOf(fields, fields === taskTable.fields ? {} : { chooser: "name" }),
  }));
}

function transfer(): SettingGroup[] {
  const strategy = [
    setting("fromScratch", "true or false", "The control: the same network with new weights.", "false"),
    setting(
      "freeze",
      "none, encoder, or a list",
      "What stands still: embeddings, layers, encoder, decoder, pooler, head, layer numbers (3), ranges (0-5), names with *.",
      '"none"',
    ),
    setting("layerRateFactor", "number above 0", "Each layer's rate is that of the one above divided by this.", "1"),
    setting(
      "unfreezing",
      "section or null",
      "Layers that join in the course of training: transfer.unfreezing.",
      "null",
    ),
    setting(
      "schedule",
      "section or null",
      "The rate's course instead of warm-up and decay: transfer.schedule.",
      "null",
    ),
    setting("auxiliary", "section or null", "The loss of pre-training beside the task's: transfer.auxiliary.", "null"),
    setting(
      "languageTuning",
      "section or null",
      "Pre-training on the task's texts first: transfer.languageTuning.",
      "null",
    ),
    setting("adapter", "section or null", "The model stays, a small change is learnt: transfer.adapter.", "null"),
    setting(
      "features",
      "section or null",
      "A head over stored vectors; the model stands still: transfer.features.",
      "null",
    ),
    setting(
      "selectionFigure",
      "text or null",
      "Figure that says which weights are best; null: the task's usual.",
      "null",
    ),
  ];
  const named = Object.entries(strategyTables).map(([key, { fields }]) => {
    const [section, name] = key.split(": ");
    return {
      path: `transfer.${section}`,
      choice: name === undefined ? undefined : `name: ${name}`,
      settings: settingsOf(fields),
    };
  });
  return [
    { path: "transfer", settings: strategy },
    ...named,
    { path: "transfer.adapter", choice: "kind: lora", settings: settingsOf(loraTable.fields, { chooser: "kind" }) },
    {
      path: "transfer.adapter",
      choice: "kind: houlsby, pfeiffer",
      settings: settingsOf(bottleneckTable.fields, { chooser: "kind" }),
    },
    { path: "transfer.features", settings: settingsOf(featureTable.fields) },
  ];
}

function finetuning(): SettingGroup[] {
  const top = [outputDir, setting("model", "text", "Folder of a pre-trained model."), ownTokenizer, seeds];
  return [
    { path: "", choice: "kind: finetune", settings: top },
    ...tasks(),
    { path: "data", choice: "kind: finetune", settings: settingsOf(dataTable.fields) },
    ...transfer(),
    { path: "crossView", settings: settingsOf(crossViewTable.fields) },
    {
      path: "generation",
      choice: "name: sequenceToSequence",
      settings: settingsOf({ ...generationTable.fields, numWritten: writtenField }),
    },
  ];
}

function together(): SettingGroup[] {
  return [
    {
      path: "",
      choice: "kind: finetune, of several tasks",
      settings: [
        setting("tasks", "sections by name", "The tasks."),
        setting("only", "list of names or null", "Those of the tasks that are learnt; null: all.", "null"),
        setting("single", "section or null", "Training of each task alone that follows, as train.", "null"),
      ],
    },
    {
      path: "tasks.NAME",
      settings: [
        setting("task", "section", "As task of a recipe of one; or a ranking."),
        setting("data", "section", "As data of a recipe of one."),
        setting("head", "linear, stochasticAnswer, or a section", "What stands upon the encoder.", "null"),
        setting("figure", "text or null", "What counts in the average; null: the task's first figure.", "null"),
      ],
    },
    {
      path: "tasks.NAME.task",
      choice: "name: textRanking",
      settings: settingsOf(rankingTaskTable.fields, { chooser: "name" }),
    },
    {
      path: "tasks.NAME.head",
      choice: "kind: stochasticAnswer",
      settings: settingsOf(answerHeadTable.fields, { chooser: "kind" }),
    },
    { path: "mixing", settings: settingsOf(mixingTable.fields) },
  ];
}

function searching(): SettingGroup[] {
  const space = setting(
    "space",
    "section",
    "Settings by their paths, and what is tried: a list, uniform(a, b), logUniform(a, b), integers(a, b); or --try.",
  );
  return [{ path: "search", settings: [space, ...settingsOf(searchFields)] }];
}

/** All chapters. */
export function settingChapters(): readonly Chapter[] {
  return [
    {
      title: "Pre-training",
      text: "`firth pretrain`; with the sections train and engine below.",
      groups: pretraining(),
    },
    {
      title: "Fine-tuning",
      text: "`firth finetune`; with the sections train and engine below. Where nothing is said, train.numEpochs is 3 and train.learningRate 5e-5.",
      groups: finetuning(),
    },
    {
      title: "Several tasks over one encoder",
      text: "`firth finetune` with the section tasks instead of task and data; transfer, crossView, train, engine and the rest as above.",
      groups: together(),
    },
    {
      title: "Training and the engine",
      text: "Sections of all recipes that train.",
      groups: [
        { path: "train", settings: settingsOf(trainOptionsTable.fields) },
        { path: "engine", settings: settingsOf(engineTable.fields) },
      ],
    },
    { title: "Trying settings", text: "`firth search`, of any fine-tuning recipe.", groups: searching() },
    {
      title: "GLUE",
      text: "`firth glue`; settings are options of the command, too.",
      groups: [{ path: "", choice: "kind: glue", settings: settingsOf(glueTable.fields, { chooser: "kind" }) }],
    },
  ];
}
