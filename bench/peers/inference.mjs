// Compares classification with BERT: latency of one request and throughput, by Firth, PyTorch, transformers.js and TensorFlow.js.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonIn, root } from "../section.mjs";
import { firth } from "./firth-start.mjs";
import { works } from "./inference-cases.mjs";
import { saveInferenceModel } from "./inference-model.mjs";
import { renderInference } from "./inference-section.mjs";
import { nodePeerInstall } from "./node-peer.mjs";
import {
  keepRecords,
  measureGroups,
  peerEnvironment,
  readPart,
  replaceByKey,
  requireData,
  withSurroundings,
} from "./part.mjs";
import { pythonOf } from "./programs.mjs";
import { readColumn } from "./task-data.mjs";

export const inferenceUsage = `inference --data FOLDER [options]   prediction, into bench/results/inference.md
  --data FOLDER     folder with sst2/train.tsv[.gz] and sst2/dev.tsv[.gz]
  --vocab FILE      WordPiece vocabulary, uncased; one is learnt from the training texts when left out
  --works LIST      ${Object.keys(works).join(",")}      --model SIZE   preset of the network (base)
  --texts N         texts of the dev set (all)      --rounds N   turns of each side (each work's own)
  --threads N       threads of every side (each side's own choice)
  --malloc tuned|stock   --memory GB   --json
  FIRTH_PEER_NODE   folder with the npm peers: ${nodePeerInstall}
  transformers.js needs an ONNX model: the Python must have onnx and onnxscript too`;

const script = (name) => join(root, "bench", "peers", name);

function readOptions(args) {
  const names = ["data", "vocab", "works", "model", "texts", "rounds", "threads"];
  const { values, number, list, common } = readPart(args, names, ["json"]);
  return {
    ...common,
    ...{
      data: requireData("inference", values),
      vocab: values.vocab,
      model: values.model ?? "base",
      json: values.json,
    },
    works: list("works", Object.keys(works)),
    ...{ texts: number("texts", 1), rounds: number("rounds", 1), threads: number("threads", 1) },
  };
}

/** Texts of exactly so many tokens each, special tokens counted, made of whole words of the data set. */
async function textsOfLength(tokenizer, corpus, count, numTokens) {
  const words = [...new Set(corpus.slice(0, 500).flatMap((line) => line.split(" ")))];
  const encoded = await tokenizer.encodeIds(words);
  const whole = words.filter((_, i) => encoded[i].ids.length === 1);
  let at = 0;
  return Array.from({ length: count }, () =>
    Array.from({ length: numTokens - 2 }, () => whole[at++ % whole.length]).join(" "),
  );
}

/** The model, and a file of texts for each work. */
async function prepare(folder, options) {
  const training = await readColumn(options.data, "sst2/train.tsv", 0);
  const dev = (await readColumn(options.data, "sst2/dev.tsv", 0)).slice(0, options.texts);
  const model = join(folder, "model");
  const { vocab, model: preset, source } = options;
  await saveInferenceModel(model, { vocab, corpus: training, preset, seed: 1, source });
  const { loadTokenizer } = await firth(source);
  const tokenizer = await loadTokenizer(model);
  const lists = {
    request: await textsOfLength(tokenizer, training, 1, 30),
    sst2: dev,
    encoder: await textsOfLength(tokenizer, training, 8, 128),
  };
  mkdirSync(join(folder, "texts"));
  const files = {};
  for (const [work, texts] of Object.entries(lists)) {
    files[work] = join(folder, "texts", `${work}.txt`);
    writeFileSync(files[work], `${texts.join("\n")}\n`);
  }
  return {
    model,
    files,
    numTexts: Object.fromEntries(Object.entries(lists).map(([work, list]) => [work, list.length])),
  };
}

/** Sides by id. */
function sidesOf(work, { model, files }, { threads, malloc, source }, python) {
  const shared = ["--model", model, "--texts", files[work]];
  const limited = threads === undefined ? [] : ["--threads", String(threads)];
  const node = (name) => ({
    command: process.execPath,
    args: [...(source ? ["--import", "tsx"] : []), script(name), ...shared],
    shown: "node",
  });
  const own = source ? ["--source"] : [];
  const peerEnv = process.env.FIRTH_PEER_NODE === undefined ? {} : { FIRTH_PEER_NODE: process.env.FIRTH_PEER_NODE };
  const kinds = {
    none: { label: "Firth, f32", args: ["--quantize", "none"] },
    int8: { label: "Firth, int8", args: ["--quantize", "int8"] },
    onednn: { label: "Firth, oneDNN f32", args: ["--engine", "onednn"] },
    bf16: { label: "Firth, oneDNN bf16", args: ["--engine", "onednn", "--dtype", "bf16"] },
  };
  const ours = works[work].ours.map((id) => {
    const { args, ...rest } = node("firth-inference.mjs");
    const { label, args: kind } = kinds[id];
    return { ...{ id, ours: true, gigabytes: 2, label, ...rest }, args: [...args, ...kind, ...limited, ...own] };
  });
  const peers = {
    "transformers-js": () => {
      const { args, ...rest } = node("transformers-js.mjs");
      return { label: "transformers.js f32", gigabytes: 1.5, ...rest, args: [...args, ...limited], env: peerEnv };
    },
    tfjs: () => {
      const { args, ...rest } = node("tfjs-inference.mjs");
      return { label: "TensorFlow.js WASM f32", gigabytes: 2, ...rest, args: [...args, ...own], env: peerEnv };
    },
  };
  for (const dtype of ["f32", "bf16", "int8"]) {
    peers[`pytorch-${dtype}`] = () => ({
      ...{ label: `PyTorch ${dtype}`, gigabytes: 1.5, command: python, shown: "python" },
      args: [script("pytorch_inference.py"), ...shared, "--dtype", dtype, ...limited],
      env: peerEnvironment(malloc),
    });
  }
  return [...ours, ...works[work].peers.map((id) => ({ id, ours: false, ...peers[id]() }))];
}

/** Writes the model that transformers.js reads; undefined, or why it could not be written. */
function exportModel(model, python, tell) {
  tell("writing an ONNX model for transformers.js");
  const { status, stderr, error } = spawnSync(python, [script("export_onnx.py"), model], { encoding: "utf8" });
  return status === 0 ? undefined : reasonIn(error?.message ?? stderr);
}

async function measure(work, { folder, numTexts, ...prepared }, options, python) {
  const { model, malloc, vocab, gigabytes, rounds } = options;
  const protocol = { ...works[work].protocol, ...(rounds === undefined ? {} : { rounds }) };
  const tell = (message) => console.error(`${work}: ${message}`);
  const shown = (command) =>
    command.replaceAll(folder, "WORK").replace(/\bFIRTH_PEER_NODE=\S+/, "FIRTH_PEER_NODE=FOLDER");
  return withSurroundings(async () => {
    const sides = sidesOf(work, prepared, options, python);
    const groups = await measureGroups(sides, { gigabytes, protocol, tell, shown });
    const ownVocabulary = vocab === undefined;
    return { work, model, malloc, ownVocabulary, protocol, numTexts: numTexts[work], groups };
  });
}

/** Runs the chosen works and writes the section; works that are not run again keep their earlier figures. */
export async function runInference(args) {
  const options = readOptions(args);
  const python = pythonOf(options.python, ["torch", "transformers"]);
  const folder = mkdtempSync(join(tmpdir(), "firth-inference-"));
  try {
    const prepared = { folder, ...(await prepare(folder, options)) };
    const missing = exportModel(prepared.model, python, (message) => console.error(message));
    if (missing !== undefined) console.error(`no ONNX model: ${missing}`);
    const section = { part: "inference", render: renderInference, join: replaceByKey(({ work }) => work) };
    const measured = await keepRecords(options.works, (work) => measure(work, prepared, options, python), section);
    if (options.json) for (const one of measured) console.log(JSON.stringify(one));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
