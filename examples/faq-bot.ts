// LanceDB is installed beside Firth: npm install @lancedb/lancedb apache-arrow
import { buildIndex, csv, finetuneRetrieval, loadTokenizer, openFaqBot, retrieval } from "firth";

const model = "runs/bert-mini/model"; // pre-trained here, or a folder of Hugging Face's
const task = retrieval({ tokenizer: await loadTokenizer(model), maxSeqLength: 128 }); // the other answers of a batch are wrong ones
const retriever = await finetuneRetrieval(
  model,
  task,
  { train: csv("asked.csv") }, // columns question and answer
  { numEpochs: 3, batchSize: 32, learningRate: 5e-5, seed: 1 },
);
await retriever.save("models/retriever");

const { index, result } = await buildIndex("faq.index", csv("faq.csv"), { model: "models/retriever" });
console.log("entries:", result.added);
const bot = await openFaqBot(index, { threshold: 0.4 });
for (const { question, answer, candidates } of await bot.ask(["How do I get my money back?"])) {
  console.log(question, "→", answer?.text ?? "No answer.", `(best of ${candidates.length})`);
}
await bot.dispose();
await index.dispose();
