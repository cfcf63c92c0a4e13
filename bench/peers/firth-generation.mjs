// Firth's side of the generation comparison: texts for given prompts, once for each line "step".
//
//   node bench/peers/firth-generation.mjs --model FOLDER --prompts FILE --engine onnx --dtype f32 --quantize none|int8

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { answerSteps, failPlainly } from "./answer-steps.mjs";
import { firth } from "./firth-start.mjs";

failPlainly();
const text = { type: "string" };
const { values } = parseArgs({
  options: {
    model: text,
    prompts: text,
    tokens: text,
    quantize: { ...text, default: "none" },
    engine: { ...text, default: "onnx" },
    dtype: { ...text, default: "f32" },
    threads: text,
    source: { type: "boolean", default: false },
  },
});
const { loadPretrained, openEngine, openGenerator } = await firth(values.source);
const prompts = JSON.parse(readFileSync(values.prompts, "utf8"));
const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
const { dtype, quantize } = values;
const engine = await openEngine({ engine: values.engine, ...threads }, dtype);
const generator = await openGenerator(await loadPretrained(values.model), { engine, dtype, quantize });
const maxNewTokens = Number(values.tokens);
let latest = [];
await answerSteps(
  async () => {
    // No token ends a text: all sides write as many.
    latest = await generator.generate(prompts, { maxNewTokens, eosTokenIds: [], batchSize: prompts.length });
  },
  async () => {
    const { description, threads: count } = await engine.probe();
    return {
      ...{ engine: engine.name, description, threads: count },
      tokens: latest.map(([{ tokens }]) => tokens),
    };
  },
);
await generator.dispose();
await engine.dispose();
