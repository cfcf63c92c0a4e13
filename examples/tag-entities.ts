import { conllColumns, finetuneTagging, loadTagger, loadTokenizer, openTagger, tokenClassification } from "firth";

const model = "runs/bert-mini/model"; // pre-trained here, or a folder of Hugging Face's
const task = tokenClassification({
  tokenizer: await loadTokenizer(model),
  maxSeqLength: 128,
  scheme: "IOB2",
  crf: true,
});
const tagger = await finetuneTagging(
  model,
  task,
  { train: conllColumns("train.conll"), eval: conllColumns("dev.conll") }, // a word and its tag a line
  { numEpochs: 5, batchSize: 32, learningRate: 5e-5, seed: 1 },
);
console.log("F1 of entities:", tagger.evaluation?.entities?.micro.f1);
await tagger.save("models/entities");

const predictor = await openTagger(await loadTagger("models/entities"));
const [found] = await predictor.tag(["Mutations of BRCA1 predispose to breast cancer."]);
for (const { type, text, start, end, probability } of found!.entities!) {
  console.log(`${type} ${start}-${end}: ${text} (${probability.toFixed(2)})`);
}
await predictor.dispose();
