/** @file The ONNX graphs of a model for a task. */
import { FirthError } from "../base/errors.ts";
import type { ChoiceModel, ClassificationModel, Encoder, PretrainingModel, TokenModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { nextWordProgram, sourceProgram, targetProgram } from "./decoder-program.ts";
import {
  answersProgram,
  classesProgram,
  hiddenStatesProgram,
  maskedWordsProgram,
  optionsProgram,
  type PlaceCounting,
  wordClassesProgram,
} from "./encoder-program.ts";
import { type FileGraph, fileGraph } from "./file-graph.ts";
import { mergeSteps } from "./merge.ts";
import type { ProgramParameters } from "./program.ts";
import type { ExportTask } from "./task.ts";

/** What an export needs to know of a model beside its module. */
export interface ExportedFamily extends PlaceCounting {
  /** `model_type` of config.json. */
  readonly name: string;
}

/** Families whose files expect places to be counted over the tokens that are not padding, by id. */
const COUNTING: ReadonlySet<string> = new Set(["roberta"]);

/** How a family's files count places, from its `model_type` and its configuration. */
export function exportedFamily(name: string, config: unknown): ExportedFamily {
  const { padTokenId } = config as { readonly padTokenId?: number };
  return { name, skippedId: COUNTING.has(name) ? padTokenId : undefined };
}

/** A model with some of the heads that tasks need. */
export type ExportableModel = Module & { readonly encoder: Encoder } & Partial<
    PretrainingModel & ClassificationModel & TokenModel & Pick<ChoiceModel, "isChoice">
  >;

function lacks(family: string, task: ExportTask, model: ExportableModel): FirthError {
  const others = (["feature-extraction", "fill-mask", "text-generation", "text2text-generation"] as const).filter(
    (other) => serves(model, other),
  );
  const instead = others.length === 0 ? "" : ` Choose ${others.join(" or ")}.`;
  const writes = task === "text-generation" || task === "text2text-generation";
  // Each token is a mask first and then itself, and source and target see each other by ranks.
  const reason =
    writes && model.maskedLmLogits !== undefined
      ? `writes mask by mask (UniLM), for which neither transformers.js nor optimum has a loop: there is no file for ${task}. Write with firth generate.`
      : `has no head for ${task}.`;
  return new FirthError(`this ${family} model ${reason}${instead}`, {
    code: "EXPORT_TASK",
    path: "export",
    details: { family, task },
  });
}

/** Whether a model has what a task computes. */
function serves(model: ExportableModel, task: ExportTask): boolean {
  const { encoder } = model;
  const isPair = model.decoder !== undefined || "decoder" in encoder;
  switch (task) {
    case "feature-extraction":
      return !isPair;
    case "fill-mask":
      return model.maskedLmLogits !== undefined;
    case "text-classification":
      return model.classificationLogits !== undefined && model.isChoice === undefined;
    case "multiple-choice":
      return model.isChoice === true;
    case "token-classification":
    case "question-answering":
      return model.tokenHead === (task === "question-answering" ? "questionAnswering" : "tokenClassification");
    case "text-generation":
      return !isPair && encoder.isCausal && model.causalLmLogits !== undefined;
    case "text2text-generation":
      return model.decoder !== undefined && model.causalLmLogits !== undefined;
  }
}

/**
 * The graphs of a model for a task, by file name without ending: one of the name `model`, or those of an encoder–decoder.
 * @throws {FirthError} EXPORT_TASK where the model lacks what the task computes
 * @throws {BackendError} EXPORT_SIZES
 */
export function exportGraphs(
  model: ExportableModel,
  task: ExportTask,
  family: ExportedFamily,
  parameters: ProgramParameters,
): ReadonlyMap<string, FileGraph> {
  if (!serves(model, task)) throw lacks(family.name, task, model);
  const whole = model as PretrainingModel & ClassificationModel & TokenModel;
  const single = (program: Parameters<typeof fileGraph>[0]) => new Map([["model", fileGraph(program, parameters)]]);
  switch (task) {
    case "feature-extraction":
      return single(hiddenStatesProgram(model.encoder, family));
    case "fill-mask":
      return single(maskedWordsProgram(whole, family));
    case "text-classification":
      return single(classesProgram(whole, family));
    case "token-classification":
      return single(wordClassesProgram(whole, family));
    case "question-answering":
      return single(answersProgram(whole, family));
    case "multiple-choice":
      return single(optionsProgram(whole, family));
    case "text-generation":
      return single(nextWordProgram(whole, parameters));
    case "text2text-generation": {
      const first = fileGraph(targetProgram(whole, parameters, true), parameters, "first/");
      const next = fileGraph(targetProgram(whole, parameters, false), parameters, "next/");
      return new Map([
        ["encoder_model", fileGraph(sourceProgram(whole), parameters)],
        ["decoder_model_merged", mergeSteps(first, next)],
      ]);
    }
  }
}
