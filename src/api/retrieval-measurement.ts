/** @file What vectors for search are worth on held-out pairs, during a run and after it. */
import type { ComputeDType } from "../ir/dtype.ts";
import { vectorTable } from "../tasks/nearest.ts";
import { normalize } from "../tasks/pooling.ts";
import type { Retrieval, SiameseNetwork } from "../tasks/retrieval.ts";
import type { RetrievalData } from "../tasks/retrieval-data.ts";
import { cosineFigures, type RetrievalResult, rankingFigures, searchReport } from "../tasks/retrieval-evaluation.ts";
import { TextEmbeddingProgram } from "../tasks/text-embedding-program.ts";
import { Evaluator } from "../train/evaluator.ts";
import type { HeldOut } from "./run-task.ts";

export interface RetrievalMeasuring {
  readonly task: Retrieval;
  readonly model: SiameseNetwork;
  readonly batchSize: number;
  readonly dtype: ComputeDType;
  /** Pairs that a run looks at in between; null: all. */
  readonly maxExamples: number | null;
}

type Embed = (texts: Parameters<TextEmbeddingProgram["embed"]>[0]) => Promise<Float32Array[]>;

/** Batches of all pairs, in their order. */
function* batchesOf(objective: ReturnType<Retrieval["objective"]>, { examples }: RetrievalData, batchSize: number) {
  for (let at = 0; at < examples.length; at += batchSize) {
    const part = examples.slice(at, at + batchSize);
    const drawn = part.map((example, i) => ({ example, epoch: 0, item: at + i }));
    yield objective.collate(drawn, 0);
  }
}

/** How cosines agree with the scores of pairs. */
async function agreement({ examples }: RetrievalData, embed: Embed): Promise<Readonly<Record<string, number>>> {
  const vectors = await embed(examples.flatMap(({ texts }) => texts));
  const cosines = examples.map((_, i) => vectors[2 * i]!.reduce((sum, x, k) => sum + x * vectors[2 * i + 1]![k]!, 0));
  return cosineFigures(
    examples.map(({ label }) => label),
    cosines,
  );
}

/** How well all distinct questions find their passages among all. */
async function search({ examples, passages, answers }: RetrievalData, embed: Embed, size: number) {
  const table = vectorTable(await embed(passages.map(({ text }) => text)), size);
  const asked = new Map(examples.map(({ question, texts }) => [question, texts[0]!]));
  const vectors = await embed([...asked.values()]);
  const cases = [...asked.keys()].map((question, i) => ({ vector: vectors[i]!, relevant: answers[question]! }));
  return searchReport(
    cases,
    table,
    passages.map(({ group }) => group),
  );
}

/** Held-out pairs of a run, measured in its engine. */
export function heldOutPairs(held: RetrievalData, measuring: RetrievalMeasuring): HeldOut<RetrievalResult> {
  const { task, model, batchSize, dtype, maxExamples } = measuring;
  const { loss: kind, tokenizer, maxSeqLength, pooling } = task.settings;
  const objective = task.objective(held);
  const policy = { compute: dtype };
  const { encoder } = model;
  const some = { ...held, examples: held.examples.slice(0, maxExamples ?? undefined) };
  return {
    isWhole: some.examples.length === held.examples.length,
    figures: ({ loss, figures }) => ({ loss, means: figures }),
    open: (place) => {
      const evaluator = new Evaluator({ ...place, model, loss: objective.loss, policy });
      const program = new TextEmbeddingProgram({
        ...{ ...place, encoder, maxSeqLength, batchSize, policy, pooling },
        layer: encoder.numHiddenLayers,
        padId: tokenizer.special.pad,
      });
      const embed: Embed = async (texts) => (await program.embed(texts)).map(normalize);
      return {
        run: async (part) => {
          const data = part === "all" ? held : some;
          const { loss, means } = await evaluator.run(batchesOf(objective, data, batchSize));
          const accuracy = means.accuracy === undefined ? {} : { accuracy: means.accuracy };
          if (kind === "classification") return { loss, figures: accuracy, ranking: undefined };
          if (kind === "cosine") return { loss, figures: await agreement(data, embed), ranking: undefined };
          const ranking = await search(data, embed, encoder.hiddenSize);
          return { loss, figures: { ...rankingFigures(ranking), ...accuracy }, ranking };
        },
        dispose: async () => {
          await program.dispose();
          await evaluator.dispose();
        },
      };
    },
  };
}
