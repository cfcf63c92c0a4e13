import {
  bert,
  bertConfig,
  csv,
  evaluate,
  finetune,
  maskedLanguageModeling,
  pretrain,
  textClassification,
  textFolder,
  WordPiece,
} from "firth";

const corpus = textFolder("corpus/"); // *.txt; a blank line ends a document
const tokenizer = await WordPiece.train(corpus.lines(), { vocabSize: 8_000 });
const config = bertConfig({ vocabSize: tokenizer.vocabSize, preset: "mini", maxPositionEmbeddings: 128 });

const pretrained = await pretrain(
  bert(config, { seed: 1 }),
  maskedLanguageModeling({ tokenizer, maxSeqLength: 128, maskProbability: 0.15 }),
  corpus.split({ evalFraction: 0.01, seed: 1 }),
  { maxSteps: 20_000, batchSize: 64, learningRate: 5e-4, warmupSteps: 1_000, seed: 1, outputDir: "runs/mlm" },
);
console.log("held-out loss (nats a masked token):", pretrained.evalLoss);

const sentiment = textClassification({ tokenizer, maxSeqLength: 128, labels: ["negative", "positive"] });
const classifier = await finetune(
  pretrained,
  sentiment,
  { train: csv("train.csv"), eval: csv("dev.csv") }, // columns text and label
  { numEpochs: 3, batchSize: 32, learningRate: 3e-5, seed: 2 },
);
const { accuracy, macro } = await evaluate(classifier, csv("test.csv"));
console.log({ accuracy, macroF1: macro.f1 });
await classifier.save("models/sentiment"); // config.json, model.safetensors, tokenizer.json
