/**
 * How near the vectors of questions and of the texts that answer them lie before anything is learnt: the FAQ search of the study with
 * networks as they come, one with new weights among them.
 *
 *     npx tsx studies/tasks/vectors.ts --here MODEL [--minilm MODEL] [--folder runs/tasks] [--engine onednn --dtype bf16 --threads 1]
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { embed, loadPretrained, rankingReport } from "../../src/index.ts";
import { initialWeights } from "../../src/nn/weights.ts";
import { engineOptions, studyEngine } from "../engine.ts";
import { preparedFile, usualFolder } from "./case.ts";
import { casesOf } from "./cases.ts";
import { linesOf } from "./part.ts";
import { starts } from "./start.ts";
import { type VectorRow, writeVectorRows } from "./vector-section.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: { here: text, minilm: text, folder: text, ...engineOptions },
});
const { folder = usualFolder, here, minilm } = values;
const search = casesOf("").find(({ name }) => name === "faq")!;

interface FaqRow {
  readonly question: string;
  readonly answer: string;
  readonly document: string;
}
const rowsOf = (part: string): FaqRow[] =>
  linesOf(readFileSync(preparedFile(folder, search, part), "utf8")).map((line) => JSON.parse(line) as FaqRow);
const [asked, corpus] = [rowsOf("eval"), rowsOf("corpus")];

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** Vectors less their mean, of length 1. */
function centred(vectors: readonly Float32Array[]): Float32Array[] {
  const mean = vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length);
  return vectors.map((vector) => {
    const moved = vector.map((x, i) => x - mean[i]!);
    const length = Math.sqrt(dot(moved, moved));
    return moved.map((x) => x / length);
  });
}

/** What a search by cosines finds. @returns mean reciprocal rank, and the mean cosine of questions with all texts */
function searched(questions: readonly Float32Array[], texts: readonly Float32Array[]) {
  let sum = 0;
  const ranked = questions.map((question, i) => {
    const scores = texts.map((other) => dot(other, question));
    sum += scores.reduce((total, score) => total + score, 0) / scores.length;
    const order = scores.map((_, k) => k).sort((a, b) => scores[b]! - scores[a]!);
    const relevant = order.map((k) => (corpus[k]!.document === asked[i]!.document ? 1 : 0));
    return { ranked: relevant };
  });
  return { mrr: rankingReport(ranked).mrr, meanCosine: sum / questions.length };
}

const { engine, dtype, told: engineText } = await studyEngine(values);
const rows: VectorRow[] = [];
for (const start of starts) {
  const model = start.modelOf(search, { here, minilm });
  if (model === undefined) continue;
  const given = await loadPretrained(model);
  const network = start.fromScratch ? { ...given, weights: initialWeights(given.module, 1) } : given;
  for (const layer of [0, -1]) {
    const options = { layer, pooling: "mean", maxSeqLength: 128, engine, dtype } as const;
    const [questions, texts] = [
      await embed(
        network,
        asked.map(({ question }) => question),
        options,
      ),
      await embed(
        network,
        corpus.map(({ answer }) => answer),
        options,
      ),
    ];
    const plain = searched(questions, texts);
    const moved = searched(centred(questions), centred(texts));
    rows.push({ start: start.name, layer, ...plain, centredMrr: moved.mrr });
    console.error(`${start.title}, layer ${layer}: MRR ${plain.mrr.toFixed(3)}, centred ${moved.mrr.toFixed(3)}`);
  }
}
await engine.dispose();
writeVectorRows(folder, { engine: engineText, rows });
