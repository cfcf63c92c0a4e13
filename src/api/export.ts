import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, FirthError, nearestName } from "../base/errors.ts";
import { type ExportableModel, exportedFamily, exportGraphs } from "../export/export-model.ts";
import { type ExportTask, exportedConfig, exportTasks, taskOf } from "../export/task.ts";
import { type FileDType, fileWeights } from "../export/weights.ts";
import { FILE_OPSET, writeOnnxFile } from "../export/write-file.ts";
import { writeFileAtomic, writeFolderAtomic } from "../formats/atomic.ts";
import { formatJson, readJsonObject } from "../formats/json-file.ts";
import type { JsonObject } from "../formats/json-text.ts";
import { familyOf } from "../models/families.ts";
import type { LoadedState } from "../models/family.ts";
import type { TokenModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { type ChainScores, chainParameters } from "../tasks/tag-decoder.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import { tagChain } from "./tagger.ts";

export interface ExportModelOptions {
  /** New folder; it appears whole or not at all. */
  readonly outputDir: string;
  /** What the files are to compute; by default what the class in config.json is for. */
  readonly task?: ExportTask | undefined;
  /** `int8`: linear layers in 8 bits, a quarter of their size; `f32` by default. */
  readonly dtype?: FileDType | undefined;
}

/** One ONNX file of an export. */
export interface ExportedFile {
  /** Path below the folder. */
  readonly name: string;
  /** With the numbers that lie beside it. */
  readonly bytes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface ExportedModel {
  readonly folder: string;
  readonly family: string;
  readonly task: ExportTask;
  readonly dtype: FileDType;
  /** Version of the standard operators; there are no others in the files. */
  readonly opset: number;
  readonly files: readonly ExportedFile[];
}

/** What transformers.js looks for: 8 bits are its `q8`. */
const ENDINGS: Readonly<Record<FileDType, string>> = { f32: "", int8: "_quantized" };

/** Files that go along as they are. */
const COMPANIONS = ["generation_config.json", "tokenizer_config.json"];

function check({ task, dtype }: ExportModelOptions): void {
  const choices = (path: string, value: string | undefined, known: readonly string[]) => {
    if (value === undefined || known.includes(value)) return [];
    const near = nearestName(value, known);
    const fix = near === undefined ? "" : ` Did you mean ${near}?`;
    const message = `must be one of ${known.join(", ")}; got ${JSON.stringify(value)}.${fix}`;
    return [{ path, message, code: "CONFIG_UNKNOWN_VALUE" }];
  };
  const issues = [...choices("task", task, exportTasks), ...choices("dtype", dtype, Object.keys(ENDINGS))];
  if (issues.length > 0) throw new ConfigError("export", issues);
}

/** The state of a directory with the heads that a task needs. */
async function load(folder: string, task: ExportTask): Promise<LoadedState<Module>> {
  const family = await familyOf(folder);
  switch (task) {
    case "text-classification":
      return family.loadClassification(folder, 0);
    case "token-classification":
      return family.loadTokenClassification(folder, 0);
    case "question-answering":
      return family.loadQuestionAnswering(folder, 0);
    case "multiple-choice":
      return family.loadMultipleChoice(folder, 0);
    default:
      return family.loadPretraining(folder, 0);
  }
}

/**
 * A tagger whose tags are those of the best path, as a file has it: with scores of neighbouring tags, below everything for
 * what its scheme does not allow. Others as they are.
 */
async function withTagChain(state: LoadedState<Module>, task: ExportTask): Promise<LoadedState<Module>> {
  if (task !== "token-classification") return state;
  const { family, config, weights, preserved } = state;
  const module = state.module as TokenModel;
  const labels = state.labels ?? Array.from({ length: module.numOutputs }, (_, i) => `LABEL_${i}`);
  const found = await tagChain({ module, labels, preserved }, (name) => weights.get(name)!);
  if (found === undefined) return state;
  const whole = module.crf === undefined ? family.tokenClassification(config, labels.length, { crf: true }) : module;
  const entries = Object.entries(chainParameters) as [keyof ChainScores, string][];
  const scores = entries.map(([key, name]) => [name, Float32Array.from(found.allowed[key])] as const);
  return { ...state, module: whole, weights: new Map([...weights, ...scores]) };
}

/** The task of a directory by its class; of one that was fine-tuned to write a text for another, that, as its `task.json` says. */
async function usualTask(folder: string, config: JsonObject): Promise<ExportTask> {
  const task = taskOf(config, join(folder, "config.json"));
  const path = join(folder, "task.json");
  const isWriter = existsSync(path) && (await readJsonObject(path)).task === "sequenceToSequence";
  return isWriter && task === "fill-mask" ? "text2text-generation" : task;
}

function requireTrained(folder: string, task: ExportTask, names: readonly string[]): void {
  if (names.length === 0) return;
  throw new FirthError(`has no trained head for ${task}: ${names.join(", ")} would be random. Choose another task.`, {
    code: "MODEL_LACKS_HEAD",
    path: folder,
    details: { parameters: names },
  });
}

/**
 * Writes a model directory as ONNX files in the layout of transformers.js and optimum: `config.json`, the tokenizer's
 * files, and in `onnx/` `model.onnx`, or for an encoder–decoder `encoder_model.onnx` and `decoder_model_merged.onnx`.
 * Batch and sequence are open, operators those of the ONNX standard. Models that write mask by mask (UniLM) have no file to
 * write with: each token is a mask first and then itself, for which those programs have no loop.
 *
 * Taggers whose tags are those of the best path (`crf`, `constrained`) give, beside the scores of every token, those of
 * neighbouring tags: `bestTagPath` makes the same tags of them as `openTagger`. Pipelines that know nothing of paths take
 * each token's own best tag.
 * @throws {ConfigError} for an unknown task or dtype
 * @throws {FirthError} EXPORT_TASK, MODEL_LACKS_HEAD where the model is not made for the task
 * @throws {CheckpointError} for a folder that cannot be read or written
 */
export async function exportModel(folder: string, options: ExportModelOptions): Promise<ExportedModel> {
  check(options);
  const { outputDir, dtype = "f32" } = options;
  const config = await readJsonObject(join(folder, "config.json"));
  const task = options.task ?? (await usualTask(folder, config));
  const state = await withTagChain(await load(folder, task), task);
  const { family, config: settings, module, weights: numbers, newParameters } = state;
  const tokenizer = await loadTokenizer(folder);
  const weights = fileWeights(module, numbers, dtype);
  const graphs = exportGraphs(
    module as unknown as ExportableModel,
    task,
    exportedFamily(family.name, settings),
    weights,
  );
  for (const { parameters } of graphs.values()) {
    requireTrained(
      folder,
      task,
      newParameters.filter((name) => parameters.has(name)),
    );
  }
  return writeFolderAtomic(outputDir, async (temporary) => {
    await tokenizer.save(temporary);
    for (const name of COMPANIONS) {
      if (existsSync(join(folder, name))) await copyFile(join(folder, name), join(temporary, name));
    }
    const files: ExportedFile[] = [];
    const withData: string[] = [];
    for (const [stem, graph] of graphs) {
      const name = `${stem}${ENDINGS[dtype]}.onnx`;
      const { bytes, hasDataFile } = await writeOnnxFile(join(temporary, "onnx", name), graph, weights, {
        metadata: { task: graph.name, model_type: family.name },
      });
      if (hasDataFile) withData.push(name);
      const names = (values: readonly { readonly name: string }[]) => values.map((value) => value.name);
      files.push({ name: `onnx/${name}`, bytes, inputs: names(graph.inputs), outputs: names(graph.outputs) });
    }
    const facts = { task, isQuantized: dtype === "int8", withData };
    await writeFileAtomic(join(temporary, "config.json"), formatJson(exportedConfig(config, facts)));
    return { folder: outputDir, family: family.name, task, dtype, opset: FILE_OPSET, files };
  });
}
