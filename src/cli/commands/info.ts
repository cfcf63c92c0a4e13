import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { indexInfo } from "../../api/vector-index.ts";
import { DataError } from "../../base/errors.ts";
import { manifestFile, readManifest } from "../../data/manifest.ts";
import { findLatestCheckpoint, listCheckpoints } from "../../formats/checkpoint.ts";
import { readJsonObject } from "../../formats/json-file.ts";
import { readMetrics } from "../../formats/metrics-log.ts";
import { openWeights } from "../../formats/model-weights.ts";
import { openSafetensors } from "../../formats/safetensors-reader.ts";
import { elementCount } from "../../formats/stored-dtype.ts";
import { adapterConfigName, adapterWeightsName } from "../../models/adapter/file.ts";
import { isIndex } from "../../retrieval/index-manifest.ts";
import { hasTokenizer, loadTokenizer } from "../../tokenizers/load.ts";
import { runs } from "../define-command.ts";
import { count, table } from "../number-text.ts";
import { formatBytes, formatFigure } from "../progress/index.ts";
import { readRecipe } from "../recipe/read-recipe.ts";
import { recipeFile } from "../recipe/run-recipe.ts";
import { type Description, describeHeads } from "./info-head.ts";
import { indexRows } from "./vector-index.ts";

/** Weights, gradients and AdamW's two moments, 4 bytes each; activations come on top. */
const trainingBytesPerParameter = 16;

async function describeModel(folder: string): Promise<Description> {
  const config = await readJsonObject(join(folder, "config.json"));
  const weights = await openWeights(folder);
  try {
    const tensors = weights.names.map((name) => weights.info(name));
    const parameters = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const dtypes = [...new Set(tensors.map(({ dtype }) => dtype))];
    const tokenizer = hasTokenizer(folder) ? await loadTokenizer(folder) : undefined;
    const labels = typeof config.id2label === "object" ? Object.values(config.id2label ?? {}) : undefined;
    const memory = { weightBytes: 4 * parameters, trainingBytes: trainingBytesPerParameter * parameters };
    const heads = await describeHeads(folder);
    const size = ["num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size"];
    return {
      facts: {
        kind: "model",
        config,
        parameters,
        numTensors: tensors.length,
        dtypes,
        ...memory,
        labels,
        ...heads.facts,
      },
      rows: [
        ["model", folder],
        ["architecture", [config.architectures].flat().join(", ") || String(config.model_type)],
        ["layers, width, heads, inner", size.map((key) => String(config[key])).join(", ")],
        ["vocabulary, positions", `${config.vocab_size}, ${config.max_position_embeddings}`],
        ["parameters", `${count(parameters)} in ${tensors.length} tensors (${dtypes.join(", ")})`],
        [
          "memory",
          `${formatBytes(memory.weightBytes)} of weights; training ${formatBytes(memory.trainingBytes)} and activations`,
        ],
        [
          "tokenizer",
          tokenizer === undefined ? "none" : `${count(tokenizer.vocabSize)} entries, ${tokenizer.hash.slice(0, 16)}`,
        ],
        ...(labels === undefined ? [] : [["classes", labels.join(", ")] as const]),
        ...heads.rows,
      ],
    };
  } finally {
    await weights.close();
  }
}

async function describeAdapter(folder: string): Promise<Description> {
  const settings = await readJsonObject(join(folder, adapterConfigName));
  const file = await openSafetensors(join(folder, adapterWeightsName));
  try {
    const parameters = file.names.reduce((sum, name) => sum + elementCount(file.info(name).shape), 0);
    const { peft_type: type, base_model_name_or_path: base, r: rank, lora_alpha: alpha, kind, size } = settings;
    const shape = kind === undefined ? `${type}, rank ${rank}, alpha ${alpha}` : `${kind}, size ${size}`;
    return {
      facts: { kind: "adapter", settings, parameters, numTensors: file.names.length },
      rows: [
        ["adapter", folder],
        ["kind", shape],
        ["of the model", String(base ?? "not said")],
        ["parameters", `${count(parameters)} in ${file.names.length} tensors, the head's among them`],
      ],
    };
  } finally {
    await file.close();
  }
}

async function describeCorpus(folder: string): Promise<Description> {
  const manifest = await readManifest(folder);
  return {
    facts: { kind: "corpus", ...manifest },
    rows: [
      ["corpus", folder],
      ["source", manifest.source],
      ["documents, sentences", `${count(manifest.numDocuments)}, ${count(manifest.numSentences)}`],
      ["tokens", count(manifest.numTokens)],
      ["text", formatBytes(manifest.textBytes)],
      ["shards", manifest.shards.length],
      ["tokenizer", `${count(manifest.tokenizer.vocabSize)} entries, ${manifest.tokenizer.hash.slice(0, 16)}`],
    ],
  };
}

async function describeRun(folder: string): Promise<Description> {
  const recipe = existsSync(join(folder, recipeFile)) ? await readRecipe(join(folder, recipeFile)) : undefined;
  const { latest, broken } = await findLatestCheckpoint(folder);
  const metrics = existsSync(join(folder, "metrics.jsonl")) ? readMetrics(join(folder, "metrics.jsonl")) : [];
  const lastTrain = metrics.findLast(({ kind }) => kind === "train");
  const lastEvaluation = metrics.findLast(({ kind }) => kind === "evaluation");
  const model = existsSync(join(folder, "model", "config.json")) ? join(folder, "model") : undefined;
  const figures = (record: (typeof metrics)[number] | undefined): string =>
    record === undefined
      ? "none"
      : Object.entries(record)
          .filter(([key, value]) => key !== "step" && typeof value === "number")
          .map(([key, value]) => `${key} ${formatFigure(value as number)}`)
          .concat(`step ${record.step}`)
          .join(", ");
  return {
    facts: {
      kind: "run",
      recipe,
      checkpoints: await listCheckpoints(folder),
      latest,
      broken,
      lastTrain,
      lastEvaluation,
      model,
    },
    rows: [
      ["run", folder],
      ["recipe", recipe === undefined ? "none" : `${recipe.kind}, ${join(folder, recipeFile)}`],
      ["checkpoint", latest === undefined ? "none" : `${latest.folder} (whole)`],
      ...broken.map(({ folder: path, reason }) => ["broken", `${path}: ${reason}`] as const),
      ["last step", figures(lastTrain)],
      ["last evaluation", figures(lastEvaluation)],
      ["model", model ?? "none yet"],
    ],
  };
}

async function describeTokenizer(path: string): Promise<Description> {
  const tokenizer = await loadTokenizer(path);
  const { vocabSize, hash } = tokenizer;
  const special = tokenizer.specialIds.map((id) => tokenizer.idToToken(id));
  return {
    facts: { kind: "tokenizer", vocabSize, hash, special },
    rows: [
      ["tokenizer", path],
      ["entries", count(vocabSize)],
      ["special tokens", special.join(", ")],
      ["hash", hash],
    ],
  };
}

async function describeIndex(folder: string): Promise<Description> {
  const info = await indexInfo(folder);
  return { facts: { kind: "index", ...info }, rows: indexRows(info) };
}

async function describe(path: string): Promise<Description> {
  const has = (name: string): boolean => existsSync(join(path, name));
  if (has(manifestFile)) return describeCorpus(path);
  if (has(recipeFile) || has("metrics.jsonl")) return describeRun(path);
  if (has(adapterConfigName) && has(adapterWeightsName)) return describeAdapter(path);
  if (isIndex(path)) return describeIndex(path);
  if (has("config.json")) return describeModel(path);
  if (hasTokenizer(path)) return describeTokenizer(path);
  const isThere = existsSync(path);
  throw new DataError(
    isThere
      ? `holds none of config.json, ${manifestFile}, ${recipeFile}, tokenizer.json. Name a model, a corpus, a run, an index or a tokenizer.`
      : "no such folder. Check the name and the working folder.",
    { code: isThere ? "NOTHING_KNOWN" : "FOLDER_MISSING", path },
  );
}

/** `firth info PATH`. */
export function infoCommand(command: Command): Command {
  command
    .description("say what a folder holds: a model, an adapter, a prepared corpus, a run, an index, a tokenizer")
    .argument("<folder>", "folder to look into");
  return runs(command, async (session, _given, [path]) => {
    const { facts, rows } = await describe(path!);
    session.result({ path, ...facts }, table(rows));
  });
}
