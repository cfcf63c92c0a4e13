/**
 * Pre-trains BERT-mini in one engine and dtype and keeps the loss of every step; `report.ts` draws several runs.
 *
 *     npx tsx studies/half-precision/train.ts DATA ENGINE DTYPE [STEPS]
 *
 * Every run has the same seed, text, order, masks and dropout: the losses differ by rounding alone.
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { bert, bertConfig, maskedLanguageModeling, pretrain, WordPiece } from "../../src/index.ts";
import type { EngineName } from "../../src/runtime.ts";
import { englishText } from "../encoders/english.ts";
import { curveFile, runFolder } from "./runs.ts";

const [data = "../shared/data", engine = "onnx", dtype = "f32", steps = "1000"] = process.argv.slice(2);
const vocabulary = join(runFolder, "tokenizer");
const text = englishText(data);
const tokenizer = existsSync(vocabulary)
  ? await WordPiece.load(vocabulary)
  : await WordPiece.train(text.train.lines(), { vocabSize: 8192, minFrequency: 2, limitAlphabet: 1000 });
if (!existsSync(vocabulary)) await tokenizer.save(vocabulary);

const config = bertConfig({ preset: "mini", vocabSize: tokenizer.vocabSize, initializerRange: 0.045 });
const curve: [number, number][] = [];
const evaluations: [number, number][] = [];
let seconds = 0;
await pretrain(bert(config, { seed: 1 }), maskedLanguageModeling({ tokenizer, maxSeqLength: 128 }), text, {
  maxSteps: Number(steps),
  batchSize: 8,
  learningRate: 1e-3,
  warmupSteps: 100,
  evalSteps: 250,
  engine: { engine: engine as EngineName },
  dtype: dtype as "f32" | "bf16",
  listener: (event) => {
    if (event.kind === "end") seconds = event.seconds;
    if (event.kind === "step") curve.push([event.step, event.loss]);
    if (event.kind === "evaluation") {
      evaluations.push([event.step, event.loss]);
      process.stderr.write(`${engine} ${dtype}: step ${event.step}, held-out loss ${event.loss.toFixed(4)}\n`);
    }
  },
});
await mkdir(runFolder, { recursive: true });
await writeFile(curveFile(engine, dtype), JSON.stringify({ engine, dtype, seconds, curve, evaluations }));
