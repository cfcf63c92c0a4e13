/**
 * Parts of speech of UD English (EWT) from a few labelled sentences: with the labelled ones alone, and with the other
 * training sentences without their tags (cross-view training); accuracy on the development set, as lines of JSON and a table.
 *
 *     npx tsx studies/cross-view/run.ts MODEL DATA [--labelled 200] [--starts pre-trained,scratch] [--methods supervised,longer,crossView]
 *         [--seeds 1,2,3] [--epochs 20] [--engine onednn --dtype bf16 --threads 1]
 * Both methods make the same labelled steps; cross-view training makes as
 * many unlabelled ones beside, and `longer` is the labelled ones alone with as many steps in all.
 */
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  conllU,
  finetuneTagging,
  loadTokenizer,
  sentenceTexts,
  type TaggedSource,
  tokenClassification,
} from "../../src/index.ts";
import { engineOptions, studyEngine } from "../engine.ts";

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  options: { labelled: text, starts: text, methods: text, seeds: text, epochs: text, ...engineOptions },
  allowPositionals: true,
});
const [model = "", data = "../shared/data"] = positionals;
const { labelled = "200", starts = "pre-trained", methods: methodList = "supervised,longer,crossView" } = values;
const { seeds: seedList = "1,2,3", epochs = "20" } = values;

/** Some sentences of a source. */
function part(source: TaggedSource, wanted: (index: number) => boolean): TaggedSource {
  return {
    name: source.name,
    sentences: async function* () {
      let index = 0;
      for await (const sentence of source.sentences()) if (wanted(index++)) yield sentence;
    },
  };
}

const file = (name: string) => conllU(join(data, `ud_en_ewt/en_ewt-ud-${name}.conllu.gz`));
// One sentence in so many has its labels, so that they come from all parts of the treebank.
const every = Math.floor(12_544 / Number(labelled));
const isLabelled = (index: number): boolean => index % every === 0 && index / every < Number(labelled);
const train = part(file("train"), isLabelled);
const unlabelled = sentenceTexts(part(file("train"), (index) => !isLabelled(index)));
const tokenizer = await loadTokenizer(model);
const task = tokenClassification({ tokenizer, maxSeqLength: 64, overlap: 16 });
const { engine, dtype, told } = await studyEngine(values);
const rows: string[] = [];
for (const start of starts.split(",")) {
  for (const method of methodList.split(",")) {
    const found: number[] = [];
    let seconds = 0;
    for (const seed of seedList.split(",").map(Number)) {
      const began = performance.now();
      const numEpochs = Number(epochs) * (method === "longer" ? 2 : 1);
      const { evaluation, run } = await finetuneTagging(
        model,
        task,
        { train, eval: file("dev") },
        {
          ...{ engine, dtype, seed, numEpochs, batchSize: 16, learningRate: 5e-4, warmupRatio: 0.1 },
          fromScratch: start === "scratch",
          ...(method === "crossView" ? { crossView: { unlabelled } } : {}),
        },
      );
      seconds += (performance.now() - began) / 1000;
      found.push(evaluation!.accuracy);
      process.stderr.write(
        `${JSON.stringify({ start, method, seed, steps: run.steps, accuracy: evaluation!.accuracy })}\n`,
      );
    }
    const mean = found.reduce((sum, value) => sum + value, 0) / found.length;
    const deviation = Math.sqrt(
      found.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, found.length - 1),
    );
    const cells = [
      start,
      method,
      (100 * mean).toFixed(2),
      (100 * deviation).toFixed(2),
      (seconds / found.length).toFixed(0),
    ];
    rows.push(`| ${cells.join(" | ")} |`);
  }
}
await engine.dispose();
process.stdout.write(
  `${told}\n\n| start | method | accuracy | ± | seconds |\n|---|---|---|---|---|\n${rows.join("\n")}\n`,
);
