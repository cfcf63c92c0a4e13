/** @file A model that answers questions with parts of texts: its settings, and its folder. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import { familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import type { TokenModel } from "../models/model.ts";
import {
  type AnswerSettings,
  answerMeasures,
  type QuestionReading,
  questionAnswering,
} from "../tasks/question-answering.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import { saveModel, type TextModel } from "./model.ts";

/** Settings of a fine-tuned model: it is known whether its questions may have no answer. */
export type ResolvedAnswerSettings = AnswerSettings & { readonly allowsNone: boolean };

/** A model with a head for answers. */
export interface AnswerModel extends TextModel<TokenModel> {
  readonly answering: ResolvedAnswerSettings;
}

/** How a network reads questions. */
export function readingOf({ family, module }: Pick<ModelState<TokenModel>, "family" | "module">): QuestionReading {
  return { framing: family.framing, nullToken: module.encoder.pooledToken };
}

const taskFile = "task.json";
const task = "questionAnswering";

/** Writes a Hugging Face model directory with `task.json` beside it. @throws {CheckpointError} DISK_FULL, NOT_WRITABLE */
export async function saveAnswerModel(folder: string, model: AnswerModel): Promise<void> {
  await saveModel(folder, model, async (temporary) => {
    await writeFileAtomic(join(temporary, taskFile), formatJson({ task, ...model.answering }));
  });
}

/** Whether a folder holds a model that answers questions. */
export async function isAnswerModel(folder: string): Promise<boolean> {
  const family = await familyOf(folder);
  return (await family.purposeOf(folder)) === task;
}

/**
 * Loads the directory of a model that answers questions. One without `task.json`, as of transformers, has the usual
 * settings.
 * @throws {CheckpointError} WRONG_HEAD; TASK_SETTINGS for a damaged task.json; and for missing or damaged files
 */
export async function loadAnswerModel(folder: string): Promise<AnswerModel> {
  const family = await familyOf(folder);
  const {
    newParameters: _none,
    labels: _labels,
    notices: _notices,
    ...state
  } = await family.loadQuestionAnswering(folder, 0);
  const tokenizer = await loadTokenizer(folder);
  const path = join(folder, taskFile);
  const saved = existsSync(path) ? await readJsonObject(path) : {};
  const { maxPositionEmbeddings } = family.facts(state.config);
  const { settings } = questionAnswering({ tokenizer, maxSeqLength: Math.min(384, maxPositionEmbeddings) });
  const numbers = ["maxSeqLength", "docStride", "maxQueryLength", "maxAnswerLength", "noneThreshold"] as const;
  const found = Object.fromEntries(numbers.map((name) => [name, saved[name] ?? settings[name]]));
  const { allowsNone = false, measure = settings.measure } = saved;
  const wrong = numbers.find((name) => typeof found[name] !== "number");
  if (wrong !== undefined || typeof allowsNone !== "boolean" || !answerMeasures.some((known) => known === measure)) {
    const name = wrong ?? (typeof allowsNone === "boolean" ? "measure" : "allowsNone");
    throw new CheckpointError(`${name} has no value that can be; got ${JSON.stringify(saved[name])}. Correct it.`, {
      code: "TASK_SETTINGS",
      path,
    });
  }
  const given = { ...(found as Pick<AnswerSettings, (typeof numbers)[number]>), allowsNone };
  const {
    tokenizer: _tokenizer,
    packed: _packed,
    ...answering
  } = questionAnswering({
    ...given,
    tokenizer,
    measure: measure as AnswerSettings["measure"],
  }).settings;
  return { ...state, tokenizer, answering: { ...answering, allowsNone } };
}
