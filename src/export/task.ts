/** @file What a model can be exported for, and what its config.json then says. */
import { FirthError } from "../base/errors.ts";
import type { JsonObject } from "../formats/json-text.ts";

/** Tasks by the names that transformers.js and optimum have for them. */
export const exportTasks = [
  "feature-extraction",
  "fill-mask",
  "text-classification",
  "token-classification",
  "question-answering",
  "multiple-choice",
  "text-generation",
  "text2text-generation",
] as const;

export type ExportTask = (typeof exportTasks)[number];

const ENDINGS: readonly (readonly [RegExp, ExportTask])[] = [
  [/ForSequenceClassification$/, "text-classification"],
  [/ForTokenClassification$/, "token-classification"],
  [/ForQuestionAnswering$/, "question-answering"],
  [/(ForMultipleChoice|DoubleHeadsModel)$/, "multiple-choice"],
  [/ForConditionalGeneration$/, "text2text-generation"],
  [/(LMHeadModel|ForCausalLM)$/, "text-generation"],
  [/(ForMaskedLM|ForPreTraining)$/, "fill-mask"],
  [/Model$/, "feature-extraction"],
];

function architectureOf(config: JsonObject): string | undefined {
  const first = Array.isArray(config.architectures) ? config.architectures[0] : undefined;
  return typeof first === "string" ? first : undefined;
}

/**
 * The task of a model directory by the class that its config.json names.
 * @throws {FirthError} EXPORT_TASK where that says nothing
 */
export function taskOf(config: JsonObject, path: string): ExportTask {
  const architecture = architectureOf(config);
  const found = ENDINGS.find(([ending]) => architecture !== undefined && ending.test(architecture));
  if (found !== undefined) return found[1];
  const named = architecture === undefined ? "names no class (architectures)" : `names the class ${architecture}`;
  throw new FirthError(`${named}, which says no task. Choose one: ${exportTasks.join(", ")}.`, {
    code: "EXPORT_TASK",
    path,
  });
}

/** The class that belongs to a task, of the family that a config.json names. */
function architectureFor(task: ExportTask, config: JsonObject): string | undefined {
  const own = architectureOf(config);
  const stem = own?.replace(/(For[A-Z].*|LMHeadModel|DoubleHeadsModel|Model)$/, "");
  if (task === "fill-mask") return stem && `${stem}ForMaskedLM`;
  return task === "feature-extraction" ? stem && `${stem}Model` : own;
}

/** What an exported folder's config.json has otherwise than the model's. */
export interface ExportFacts {
  readonly task: ExportTask;
  /** Whether linear layers are in 8 bits. */
  readonly isQuantized: boolean;
  /** Files that have their numbers beside them, without ending. */
  readonly withData: readonly string[];
}

/** config.json of an exported folder: the class of the task, and what transformers.js is to load. */
export function exportedConfig(config: JsonObject, { task, isQuantized, withData }: ExportFacts): JsonObject {
  const architecture = architectureFor(task, config);
  // What a source says to transformers.js is about its own files.
  const { "transformers.js_config": _, ...kept } = config;
  const hints: JsonObject = {
    ...(isQuantized ? { dtype: "q8" } : {}),
    ...(withData.length === 0
      ? {}
      : { use_external_data_format: Object.fromEntries(withData.map((name) => [name, true])) }),
  };
  return {
    ...kept,
    ...(architecture === undefined ? {} : { architectures: [architecture] }),
    ...(Object.keys(hints).length === 0 ? {} : { "transformers.js_config": hints }),
  };
}
