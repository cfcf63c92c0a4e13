import {
  answerQuestions,
  finetuneQuestionAnswering,
  loadAnswerModel,
  loadTokenizer,
  questionAnswering,
  questionFile,
} from "firth";

const model = "runs/bert-mini/model"; // pre-trained here, or a folder of Hugging Face's
const task = questionAnswering({ tokenizer: await loadTokenizer(model), maxSeqLength: 384, docStride: 128 });
const answerer = await finetuneQuestionAnswering(
  model,
  task,
  { train: await questionFile("train.json"), eval: await questionFile("dev.json") }, // SQuAD's layout, 1.1 or 2.0
  { numEpochs: 2, batchSize: 16, learningRate: 5e-5, seed: 1 },
);
console.log("exact match and F1, percent:", answerer.evaluation?.exact, answerer.evaluation?.f1);
await answerer.save("models/reader");

const context = "The index is kept in a folder. One program at a time may change it, any number may search it.";
const [answer] = await answerQuestions(await loadAnswerModel("models/reader"), [
  { question: "Where is the index kept?", context },
]);
console.log({ text: answer!.text, start: answer!.start, end: answer!.end, probability: answer!.probability });
