/**
 * Pre-trains BERT-mini (4 layers, hidden 256, vocabulary 8 192) on next words, which teach from every token.
 *
 *     npx tsx studies/encoders/pretrain.ts english|chinese DATA [--engine NAME] [--dtype NAME] [--threads N]
 *
 * DATA is the folder of the data sets. A run that was stopped goes on when started again.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { saveModel } from "../../src/api/model.ts";
import { pretrain } from "../../src/api/pretrain.ts";
import { ShardedCorpus } from "../../src/data/sharded-corpus.ts";
import { unigramEntropy } from "../../src/evaluation/language.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bert } from "../../src/models/bert/family.ts";
import { causalLanguageModeling } from "../../src/objectives/causal-language-modeling.ts";
import { type EngineChoice, openEngine } from "../../src/runtime.ts";
import { WordPiece } from "../../src/tokenizers/wordpiece.ts";
import { type EncoderSummary, folderOf, plans, training } from "./plan.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: "string", default: "auto" },
    dtype: { type: "string", default: "f32" },
    threads: { type: "string" },
  },
});
const [name, data = "../shared/data"] = positionals;
const plan = plans.find((one) => one.name === name);
if (plan === undefined) throw new Error(`Name one of ${plans.map((one) => one.name).join(", ")}.`);
const dtype = values.dtype === "bf16" ? "bf16" : "f32";
const folder = folderOf(plan);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

const text = plan.text(data);
const vocabulary = join(folder, "tokenizer");
const tokenizer = existsSync(vocabulary)
  ? await WordPiece.load(vocabulary)
  : await WordPiece.train(text.train.lines(), {
      vocabSize: plan.vocabSize,
      minFrequency: 2,
      limitAlphabet: plan.limitAlphabet,
    });
if (!existsSync(vocabulary)) await tokenizer.save(vocabulary);

const engineOptions = {
  engine: values.engine as EngineChoice,
  ...(values.threads === undefined ? {} : { threads: Number(values.threads) }),
};
const engine = await openEngine(engineOptions, dtype);
const { maxSeqLength, ...rates } = training;
const config = bertConfig({ preset: "mini", vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: maxSeqLength });
const result = await pretrain(bert(config, { seed: 1 }), causalLanguageModeling({ tokenizer, maxSeqLength }), text, {
  ...{ ...rates, maxSteps: plan.steps, dtype, engine, outputDir: folder },
  ...{ evalSteps: 500, checkpointSteps: 500, signal: stop.signal },
  listener: (event) => {
    if (event.kind !== "step" || event.step % 50 === 0) console.log(JSON.stringify(event));
  },
});
await engine.dispose();
if (result.run.reason !== "finished" || result.evalLoss === undefined) process.exit(1);
await saveModel(join(folder, "model"), result);

const heldOut = await ShardedCorpus.open(join(folder, "corpus-eval"));
const counts = new Float64Array(tokenizer.vocabSize);
for (let i = 0; i < heldOut.numDocuments; i++) for (const token of heldOut.document(i).tokens) counts[token]!++;
const summary: EncoderSummary = {
  plan: plan.name,
  engine: `${values.engine} ${dtype}`,
  vocabSize: tokenizer.vocabSize,
  trainTokens: (await ShardedCorpus.open(join(folder, "corpus"))).numTokens,
  unigramEntropy: unigramEntropy(counts),
  steps: plan.steps,
  evalLoss: result.evalLoss,
};
await writeFile(join(folder, "summary.json"), JSON.stringify(summary));
console.log(summary);
