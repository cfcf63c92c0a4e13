// The classes of all texts of a file by TensorFlow.js with its WebAssembly backend, once for each line "step".
//
//   FIRTH_PEER_NODE=FOLDER node bench/peers/tfjs-inference.mjs --model FOLDER --texts FILE
//
// FIRTH_PEER_NODE is a folder with its own node_modules: npm install --prefix FOLDER @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm
// There is no BERT for TensorFlow.js: the encoder is written here with its operators, weights and token ids come from Firth.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { answerSteps, failPlainly } from "./answer-steps.mjs";
import { firth } from "./firth-start.mjs";
import { peerFolder } from "./node-peer.mjs";

failPlainly();
const text = { type: "string" };
const { values } = parseArgs({ options: { model: text, texts: text, source: { type: "boolean", default: false } } });
const wasm = peerFolder("@tensorflow/tfjs-backend-wasm");
const require = createRequire(join(peerFolder("@tensorflow/tfjs-core"), "package.json"));
const tf = require("@tensorflow/tfjs-core");
const { setWasmPaths, getThreadsCount } = require("@tensorflow/tfjs-backend-wasm");
setWasmPaths(`${join(wasm, "dist")}/`);
await tf.setBackend("wasm");
await tf.ready();

const { loadClassifier } = await firth(values.source);
const { weights, config, tokenizer } = await loadClassifier(values.model);
const { hiddenSize: H, numAttentionHeads: N, numHiddenLayers, layerNormEps } = config;
const parameters = new Map();
// Matrices are stored for x · weightᵀ: transposed once, because that is the faster way round here.
for (const [name, data] of weights) {
  const columns = name.endsWith(".output.weight") ? config.intermediateSize : H;
  if (name.includes("Embeddings.weight")) parameters.set(name, tf.tensor2d(data, [data.length / H, H]));
  else if (!name.endsWith("weight") || data.length === H) parameters.set(name, tf.tensor1d(data));
  else
    parameters.set(
      name,
      tf.tidy(() => tf.transpose(tf.tensor2d(data, [data.length / columns, columns]))),
    );
}
const take = (name) => {
  const found = parameters.get(name);
  if (found === undefined) throw new RangeError(`no weight ${name}; there are ${[...parameters.keys()].slice(0, 30)}`);
  return found;
};
const dense = (x, name) => tf.fused.matMul({ a: x, b: take(`${name}.weight`), bias: take(`${name}.bias`) });
function layerNorm(x, name) {
  const mean = tf.mean(x, -1, true);
  const centered = tf.sub(x, mean);
  const spread = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), layerNormEps));
  return tf.add(tf.mul(tf.mul(centered, spread), take(`${name}.weight`)), take(`${name}.bias`));
}
const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

/** Scores of padded rows `[B, T]` of ids. */
function forward(rows, width) {
  const B = rows.length;
  const flat = new Int32Array(B * width).fill(tokenizer.special.pad);
  const bias = new Float32Array(B * width).fill(-10_000);
  rows.forEach((ids, i) => {
    flat.set(ids, i * width);
    bias.fill(0, i * width, i * width + ids.length);
  });
  const words = tf.gather(take("encoder.embeddings.wordEmbeddings.weight"), tf.tensor1d(flat, "int32"));
  const places = tf.slice(take("encoder.embeddings.positionEmbeddings.weight"), [0, 0], [width, H]);
  const types = tf.slice(take("encoder.embeddings.tokenTypeEmbeddings.weight"), [0, 0], [1, H]);
  const summed = tf.add(tf.reshape(words, [B, width, H]), tf.add(places, types));
  let x = layerNorm(tf.reshape(summed, [B * width, H]), "encoder.embeddings.layerNorm");
  const mask = tf.tensor4d(bias, [B, 1, 1, width]);
  for (let l = 0; l < numHiddenLayers; l++) {
    const name = `encoder.layers.${l}`;
    const parts = tf.split(dense(x, `${name}.attention.qkv`), 3, 1);
    const [q, k, v] = parts.map((part) => tf.transpose(tf.reshape(part, [B, width, N, H / N]), [0, 2, 1, 3]));
    const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(H / N)), mask);
    const mixed = tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]), [B * width, H]);
    x = layerNorm(tf.add(dense(mixed, `${name}.attentionOutput`), x), `${name}.attentionNorm`);
    const inner = gelu(dense(x, `${name}.intermediate`));
    x = layerNorm(tf.add(dense(inner, `${name}.output`), x), `${name}.outputNorm`);
  }
  const first = tf.reshape(tf.slice(tf.reshape(x, [B, width, H]), [0, 0, 0], [B, 1, H]), [B, H]);
  const pooled = tf.tanh(dense(first, "encoder.pooler"));
  return tf.softmax(dense(pooled, "classifier"));
}

const texts = readFileSync(values.texts, "utf8").trimEnd().split("\n");
const { cls, sep } = tokenizer.special;
let shares = [];

async function predict() {
  const rows = (await tokenizer.encodeIds(texts)).map(({ ids }) => [cls, ...ids.slice(0, 126), sep]);
  const order = rows.map((_, i) => i).sort((a, b) => rows[a].length - rows[b].length);
  const result = new Array(rows.length);
  for (let at = 0; at < order.length; at += 32) {
    const part = order.slice(at, at + 32);
    const width = Math.max(...part.map((i) => rows[i].length));
    const answer = tf.tidy(() =>
      forward(
        part.map((i) => rows[i]),
        width,
      ),
    );
    const data = await answer.data();
    answer.dispose();
    part.forEach((i, row) => {
      result[i] = data[2 * row + 1];
    });
  }
  shares = result;
}

await answerSteps(predict, async () => ({
  description: `TensorFlow.js ${tf.version_core}, backend ${tf.getBackend()}, Node ${process.versions.node}`,
  threads: getThreadsCount(),
  shares: shares.slice(0, 8),
}));
process.exit(0);
