import { evaluate, exportModel, finetune, importModel, loadTokenizer, textClassification, tsv } from "firth";

// A model of the hub (network and cache as Hugging Face's own tools have them), or a folder with config.json and weights.
const model = "models/imported";
await importModel("hub:google-bert/bert-base-uncased", { outputDir: model });

const task = textClassification({ tokenizer: await loadTokenizer(model), maxSeqLength: 128 });
const classifier = await finetune(
  model,
  task,
  { train: tsv("train.tsv"), eval: tsv("dev.tsv") }, // columns text and label
  { numEpochs: 3, batchSize: 32, learningRate: 3e-5, seed: 1 },
);
console.log("accuracy:", (await evaluate(classifier, tsv("test.tsv"))).accuracy);

await classifier.save("models/classifier"); // Hugging Face's from_pretrained reads it
const { files } = await exportModel("models/classifier", { outputDir: "exported/classifier" }); // transformers.js, ONNX Runtime
console.log("written:", files);
