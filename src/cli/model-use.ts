/** @file What the model in a folder is, and which commands are for it: told where a command is given one that it is not for. */
import { join } from "node:path";
import { isFeatureModel } from "../api/feature-model.ts";
import { type LoadedPretrained, loadPretrained } from "../api/load.ts";
import { readSentenceSettings } from "../api/sentence-files.ts";
import { CheckpointError } from "../base/errors.ts";
import { familyOf } from "../models/families.ts";
import type { PretrainingModel } from "../models/model.ts";

interface Kind {
  readonly is: string;
  /** The commands for it, the usual one first. */
  readonly commands: readonly string[];
}

/** Models by what their heads are for; a pre-trained one by how it reads and writes. */
const kinds = {
  classification: { is: "a model that gives texts a class or a number", commands: ["predict", "evaluate", "embed"] },
  tokenClassification: { is: "a model that tags words", commands: ["predict", "evaluate", "embed"] },
  questionAnswering: { is: "a model that answers questions from a text", commands: ["predict", "evaluate", "embed"] },
  multipleChoice: { is: "a model that chooses between options", commands: ["predict", "evaluate", "embed"] },
  search: {
    is: "a model whose vectors are for search",
    commands: ["index build", "index evaluate", "embed", "finetune"],
  },
  masked: {
    is: "a pre-trained model that fills in masked words",
    commands: ["fill-mask", "generate", "embed", "finetune"],
  },
  leftToRight: {
    is: "a pre-trained model that writes from left to right",
    commands: ["generate", "perplexity", "prompt", "embed", "finetune"],
  },
  encoderDecoder: {
    is: "an encoder–decoder, which writes one text for another",
    commands: ["generate", "evaluate", "prompt", "embed", "finetune"],
  },
} as const satisfies Record<string, Kind>;

/** What a command needs that is only for some pre-trained models. */
const needs = {
  "fill-mask": "one that was pre-trained on masked words, as BERT, RoBERTa, ALBERT or ERNIE",
  generate: "one that writes: GPT, an encoder–decoder, or one that fills in masked words",
  perplexity: "one that writes from left to right, as GPT",
  prompt: "one that writes from left to right, or an encoder–decoder",
} as const;

/** Commands that take pre-trained models of some kinds. */
export type PretrainedUse = keyof typeof needs;

function kindOf({ encoder, decoder }: PretrainingModel): Kind {
  if (decoder !== undefined) return kinds.encoderDecoder;
  return encoder.isCausal ? kinds.leftToRight : kinds.masked;
}

interface Misuse {
  readonly command: string;
  readonly folder: string;
  readonly family: string;
  readonly kind: Kind;
  /** What the command needs. */
  readonly need: string;
  readonly code: string;
}

function misuse({ command, folder, family, kind, need, code }: Misuse): CheckpointError {
  const named = kind.commands.map((name) => `firth ${name}`);
  const [last, ...others] = [...named].reverse();
  const listed = others.length === 0 ? last : `${others.reverse().join(", ")} or ${last}`;
  return new CheckpointError(`is ${kind.is} (${family}); firth ${command} needs ${need}. Use ${listed} with it.`, {
    code,
    path: join(folder, "config.json"),
    details: { command, family, commands: kind.commands },
  });
}

/**
 * Loads a pre-trained model for a command.
 * @throws {CheckpointError} WRONG_MODEL saying what the model is, what is needed and which commands fit; and for missing or
 * damaged files
 */
export async function loadForUse(command: PretrainedUse, folder: string): Promise<LoadedPretrained> {
  const family = await familyOf(folder);
  const refuse = (kind: Kind) =>
    misuse({ command, folder, family: family.name, kind, need: needs[command], code: "WRONG_MODEL" });
  const purpose = await family.purposeOf(folder);
  if (purpose !== undefined && purpose !== "pretraining") {
    const known: Readonly<Record<string, Kind>> = kinds;
    throw refuse(known[purpose] ?? { is: `a model for ${purpose}`, commands: ["predict", "evaluate"] });
  }
  const model = await loadPretrained(folder);
  const kind = kindOf(model.module);
  if (!kind.commands.includes(command)) throw refuse(kind);
  return model;
}

/**
 * Refuses a folder whose model was pre-trained only, for commands that need one with a task's head.
 * @throws {CheckpointError} NOT_A_CLASSIFIER
 */
export async function requireFinetuned(command: "predict" | "evaluate", folder: string): Promise<void> {
  if (command === "predict" && isFeatureModel(folder)) return;
  const family = await familyOf(folder);
  if ((await family.purposeOf(folder)) !== "pretraining") return;
  const { module } = await family.loadPretraining(folder, 0);
  const kind = (await readSentenceSettings(folder)) === undefined ? kindOf(module) : kinds.search;
  // What evaluation has for models that write is asked for before.
  const commands = kind.commands.filter((name) => name !== command);
  const need = "one that was fine-tuned for a task (firth finetune)";
  throw misuse({ command, folder, family: family.name, kind: { ...kind, commands }, need, code: "NOT_A_CLASSIFIER" });
}
