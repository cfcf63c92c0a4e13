/** @file What a model's folder says of the tasks that it has learnt, as `firth info` tells it. */
import { join } from "node:path";
import { featureSettings, featureWeightsFile, isFeatureModel } from "../../api/feature-model.ts";
import { headsFile, isMultiTaskModel, type LearntTask, readTasks } from "../../api/multi-task-model.ts";
import { savedTask } from "../../api/saved-task.ts";
import { openSafetensors } from "../../formats/safetensors-reader.ts";
import { elementCount } from "../../formats/stored-dtype.ts";
import { count } from "../number-text.ts";
import { formatFigure } from "../progress/index.ts";

/** A machine-readable description, and the same for people. */
export interface Description {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly rows: readonly (readonly [string, string | number])[];
}

/** The numbers that a file of weights holds. */
export async function parametersIn(path: string): Promise<number> {
  const file = await openSafetensors(path);
  try {
    return file.names.reduce((sum, name) => sum + elementCount(file.info(name).shape), 0);
  } finally {
    await file.close();
  }
}

/** Classes on one line; what the head gives where it is a number. */
function labelText(kind: string, labels: readonly string[]): string {
  if (kind === "textRegression") return "a number";
  if (kind === "textRanking") return "a relevance";
  const shown = labels.slice(0, 12).join(", ");
  const rest = labels.length > 12 ? `, … (${count(labels.length)})` : "";
  return `${labels.length > 12 ? "" : `${labels.length}: `}${shown}${rest}`;
}

function headText({ head }: LearntTask): string {
  if (head.kind === "stochasticAnswer") {
    const { numSteps, stepDropout, dropout } = head;
    return `stochastic answer network (${numSteps} steps, ${stepDropout} of them left out, dropout ${dropout})`;
  }
  if (head.kind === "tokenClassification") return `over every token${head.crf ? ", with a CRF" : ""}`;
  return head.kind === "relevance" ? "linear with a sigmoid" : "linear";
}

/** A task of several, in a few lines. */
function taskRows(task: LearntTask): Description["rows"] {
  const { name, kind, labels, textColumns, labelColumn, maxSeqLength, judged } = task;
  const columns = textColumns.length === 0 ? "" : `, columns ${[...textColumns, labelColumn].join(", ")}`;
  const figures = Object.entries(judged?.figures ?? {}).map(([figure, value]) => {
    const mark = figure === judged?.figure ? "*" : "";
    return `${figure}${mark} ${formatFigure(value)}`;
  });
  const chosen = judged === undefined ? [] : [["  judged by", judged.figure] as const];
  return [
    [`task ${name}`, `${kind}, up to ${maxSeqLength} tokens${columns}`],
    ["  head", headText(task)],
    ["  gives", labelText(kind, labels)],
    ...(figures.length === 0 ? chosen : [["  held out", `${figures.join(", ")} (* decides)`] as const]),
  ];
}

async function describeTasks(folder: string): Promise<Description> {
  const tasks = await readTasks(folder);
  const headParameters = await parametersIn(join(folder, headsFile));
  return {
    facts: { tasks, headParameters },
    rows: [
      ["tasks", `${tasks.map(({ name }) => name).join(", ")}; ${count(headParameters)} parameters in their heads`],
      ...tasks.flatMap(taskRows),
    ],
  };
}

async function describeFeatureHead(folder: string): Promise<Description> {
  const { labels, facts = null, features } = await featureSettings(folder);
  const { layers, poolings, hiddenSize, dropout } = features;
  const headParameters = await parametersIn(join(folder, featureWeightsFile));
  const isScore = labels.length === 1;
  const inner = hiddenSize === 0 ? "" : `, ${hiddenSize} units inside`;
  return {
    facts: { featureHead: { ...features, labels, facts }, headParameters },
    rows: [
      ["feature head", `over vectors of this folder's encoder, which stayed as it was`],
      [
        "  reads",
        `${poolings.join(", ")} of ${layers.length === 1 ? "layer" : "layers"} ${layers.join(", ")} (0: embeddings)`,
      ],
      ["  head", `${count(headParameters)} parameters${inner}, dropout ${dropout}`],
      ["  gives", isScore ? labelText("textRegression", labels) : labelText("textClassification", labels)],
    ],
  };
}

/** What a folder was fine-tuned for, where it says that in a file of its own. */
async function describeSaved(folder: string): Promise<Description> {
  const { task, ...settings } = await savedTask(folder);
  if (typeof task !== "string") return { facts: {}, rows: [] };
  const told = Object.entries(settings).map(([key, value]) => `${key} ${[value].flat().join(" and ")}`);
  return { facts: { task: { name: task, ...settings } }, rows: [["task", [task, ...told].join(", ")]] };
}

/** The tasks of a model's folder: several heads, a head over stored vectors, or what its file of settings says. */
export async function describeHeads(folder: string): Promise<Description> {
  const parts = [
    await describeSaved(folder),
    ...(isMultiTaskModel(folder) ? [await describeTasks(folder)] : []),
    ...(isFeatureModel(folder) ? [await describeFeatureHead(folder)] : []),
  ];
  return {
    facts: Object.assign({}, ...parts.map(({ facts }) => facts)) as Description["facts"],
    rows: parts.flatMap(({ rows }) => rows),
  };
}
