// Firth's side of the inference comparison: the classes of all texts of a file, once for each line "step".
//
//   node bench/peers/firth-inference.mjs --model FOLDER --texts FILE --quantize none|int8 --engine onnx --dtype f32

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { answerSteps, failPlainly } from "./answer-steps.mjs";
import { firth } from "./firth-start.mjs";

failPlainly();
const text = { type: "string" };
const { values } = parseArgs({
  options: {
    model: text,
    texts: text,
    quantize: { ...text, default: "none" },
    engine: { ...text, default: "onnx" },
    dtype: { ...text, default: "f32" },
    threads: text,
    source: { type: "boolean", default: false },
  },
});
const { loadClassifier, openEngine, openPredictor } = await firth(values.source);
const texts = readFileSync(values.texts, "utf8").trimEnd().split("\n");
const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
const { dtype } = values;
const engine = await openEngine({ engine: values.engine, ...threads }, dtype);
const predictor = await openPredictor(await loadClassifier(values.model), {
  ...{ engine, dtype },
  quantize: values.quantize,
});
let latest = [];
await answerSteps(
  async () => {
    latest = await predictor.predict(texts);
  },
  async () => {
    const { description, threads: count } = await engine.probe();
    return {
      ...{ engine: engine.name, description, threads: count, weightBytes: predictor.weightBytes },
      shares: latest.slice(0, 8).map(({ probabilities }) => probabilities.positive),
    };
  },
);
await predictor.dispose();
await engine.dispose();
