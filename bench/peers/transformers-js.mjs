// The classes of all texts of a file by transformers.js (ONNX Runtime, in Node), once for each line "step".
//
//   FIRTH_PEER_NODE=FOLDER node bench/peers/transformers-js.mjs --model FOLDER --texts FILE
//
// FIRTH_PEER_NODE is a folder with its own node_modules: npm install --prefix FOLDER --ignore-scripts @huggingface/transformers
// The model folder holds onnx/model.onnx, see export_onnx.py.

import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { parseArgs } from "node:util";
import { answerSteps, failPlainly } from "./answer-steps.mjs";
import { importPeer } from "./node-peer.mjs";

failPlainly();
const text = { type: "string" };
const { values } = parseArgs({
  options: { model: text, texts: text, batch: { ...text, default: "32" }, threads: text },
});
const { module, version } = await importPeer("@huggingface/transformers");
const { AutoModelForSequenceClassification, AutoTokenizer, env } = module;
env.allowRemoteModels = false;
env.localModelPath = dirname(values.model);
const name = basename(values.model);
const tokenizer = await AutoTokenizer.from_pretrained(name);
const sessionOptions = values.threads === undefined ? {} : { intraOpNumThreads: Number(values.threads) };
const model = await AutoModelForSequenceClassification.from_pretrained(name, {
  dtype: "fp32",
  device: "cpu",
  session_options: sessionOptions,
});
const texts = readFileSync(values.texts, "utf8").trimEnd().split("\n");
const batchSize = Number(values.batch);
let shares = [];

async function predict() {
  // Ordered by length, as well as it can be told before tokenizing.
  const order = texts.map((_, i) => i).sort((a, b) => texts[a].length - texts[b].length);
  const result = new Array(texts.length);
  for (let at = 0; at < order.length; at += batchSize) {
    const part = order.slice(at, at + batchSize);
    const inputs = tokenizer(
      part.map((i) => texts[i]),
      { padding: true, truncation: true, max_length: 128 },
    );
    const { logits } = await model(inputs);
    part.forEach((i, row) => {
      const [a, b] = [logits.data[2 * row], logits.data[2 * row + 1]];
      result[i] = 1 / (1 + Math.exp(a - b));
    });
  }
  shares = result;
}

await answerSteps(predict, async () => ({
  description: `transformers.js ${version}, Node ${process.versions.node}`,
  shares: shares.slice(0, 8),
}));
process.exit(0);
