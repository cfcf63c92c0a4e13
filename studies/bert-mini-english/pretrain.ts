/**
 * Pre-trains BERT-mini (4 layers, hidden 256, vocabulary 8 192) on English text with masked words.
 *
 *     npx tsx studies/bert-mini-english/pretrain.ts DATA [STEPS]
 *
 * DATA is the folder of the data sets. A run that was stopped goes on when started again.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { saveModel } from "../../src/api/model.ts";
import { pretrain } from "../../src/api/pretrain.ts";
import { ShardedCorpus } from "../../src/data/sharded-corpus.ts";
import { unigramEntropy } from "../../src/evaluation/language.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bert } from "../../src/models/bert/family.ts";
import { maskedLanguageModeling } from "../../src/objectives/masked-language-modeling.ts";
import { WordPiece } from "../../src/tokenizers/wordpiece.ts";
import { englishText } from "../encoders/english.ts";

const [data = "../shared/data", steps = "4000"] = process.argv.slice(2);
const outputDir = join("runs", "bert-mini-english");
const vocabulary = join(outputDir, "tokenizer");
const warmupSteps = 400;
const stop = new AbortController();
let seconds = 0;
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());

const text = englishText(data);
const tokenizer = existsSync(vocabulary)
  ? await WordPiece.load(vocabulary)
  : await WordPiece.train(text.train.lines(), { vocabSize: 8192, minFrequency: 2, limitAlphabet: 1000 });
if (!existsSync(vocabulary)) await tokenizer.save(vocabulary);

const config = bertConfig({ preset: "mini", vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: 128 });
const result = await pretrain(
  bert(config, { seed: 1 }),
  maskedLanguageModeling({ tokenizer, maxSeqLength: 128 }),
  text,
  {
    maxSteps: Number(steps),
    batchSize: 16,
    learningRate: 1e-3,
    warmupSteps,
    evalSteps: 250,
    checkpointSteps: 500,
    outputDir,
    signal: stop.signal,
    listener: (event) => {
      if (event.kind === "end") seconds = event.seconds;
      if (event.kind === "step" && event.step % 50 !== 0) return;
      console.log(JSON.stringify(event));
    },
  },
);
if (result.run.reason === "finished") await saveModel(join(outputDir, "model"), result);

const heldOut = await ShardedCorpus.open(join(outputDir, "corpus-eval"));
const counts = new Float64Array(tokenizer.vocabSize);
for (let i = 0; i < heldOut.numDocuments; i++) for (const token of heldOut.document(i).tokens) counts[token]!++;
const corpus = await ShardedCorpus.open(join(outputDir, "corpus"));
const summary = {
  evalLoss: result.evalLoss,
  unigramEntropy: unigramEntropy(counts),
  vocabSize: tokenizer.vocabSize,
  trainTokens: corpus.numTokens,
  steps: result.run.steps,
  warmupSteps,
  seconds,
};
await writeFile(join(outputDir, "summary.json"), JSON.stringify(summary));
console.log(summary);
