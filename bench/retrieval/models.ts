/** @file The two networks that the FAQ is searched with, fine-tuned once and kept. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EmbeddingModel } from "../../src/api/embed.ts";
import { finetune } from "../../src/api/finetune.ts";
import { finetuneRetrieval } from "../../src/api/finetune-retrieval.ts";
import { loadClassifier, loadPretrained } from "../../src/api/load.ts";
import { mineNegatives } from "../../src/api/mine-negatives.ts";
import type { TextClassifier } from "../../src/api/model.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { Random } from "../../src/base/random.ts";
import type { ComputeDType } from "../../src/ir/dtype.ts";
import { retrieval } from "../../src/tasks/retrieval.ts";
import { textClassification } from "../../src/tasks/text-classification.ts";
import { loadTokenizer } from "../../src/tokenizers/load.ts";
import type { TrainListener } from "../../src/train/event.ts";
import { type FaqPair, memoryTable } from "./texts.ts";

/** Where models are made. */
export interface MakingPlace {
  readonly start: string;
  readonly work: string;
  readonly engine: Backend;
  readonly dtype: ComputeDType;
  readonly train: readonly FaqPair[];
}

const MAX_LENGTH = 128;

/** Prints how a run goes, a line for every fiftieth step. */
const listener: TrainListener = (event) => {
  if (event.kind === "notice") console.error(`  ${event.message}`);
  if (event.kind === "step" && event.step % 50 === 0)
    console.error(`  step ${event.step}, loss ${event.loss.toFixed(3)}`);
};

/** The Siamese network: questions and answers with in-batch negatives. */
export async function siameseOf({ start, work, engine, dtype, train }: MakingPlace): Promise<EmbeddingModel> {
  const folder = join(work, "siamese");
  if (!existsSync(folder)) {
    console.error("fine-tuning the Siamese network");
    const task = retrieval({ tokenizer: await loadTokenizer(start), maxSeqLength: MAX_LENGTH, groupColumn: "id" });
    const model = await finetuneRetrieval(
      start,
      task,
      {
        train: memoryTable(
          "pairs",
          [...train].map((pair) => ({ ...pair })),
        ),
      },
      {
        ...{ numEpochs: 3, batchSize: 64, learningRate: 1e-4, seed: 1, engine, dtype, listener },
        ...{ outputDir: join(work, "siamese-run"), checkpointSteps: 50, keepCheckpoints: 1 },
      },
    );
    await model.save(folder);
  }
  return loadPretrained(folder);
}

/**
 * The cross-encoder: for each right pair a wrong one that the Siamese network takes for right, and one with any other answer. With
 * hard ones alone it would never learn that most answers have nothing to do with a question.
 */
export async function crossEncoderOf({ start, work, engine, dtype, train }: MakingPlace): Promise<TextClassifier> {
  const folder = join(work, "cross-encoder");
  if (!existsSync(folder)) {
    const pairs = memoryTable(
      "pairs",
      train.map((pair) => ({ ...pair })),
    );
    const mined = await mineNegatives(await loadPretrained(join(work, "siamese")), pairs, {
      ...{ groupColumn: "id", numNegatives: 1, ranks: [1, 30], engine, dtype },
    });
    const random = new Random(1, "other answers");
    const labelled: Record<string, unknown>[] = [];
    for await (const { fields } of mined.rows()) {
      const { id, question, answer, negatives } = fields as FaqPair & { negatives: string[] };
      const others = train.filter((other) => other.id !== id);
      const any = others[random.nextInt(others.length)]!.answer;
      labelled.push({ question, answer, label: "yes" });
      for (const other of [...negatives, any]) labelled.push({ question, answer: other, label: "no" });
    }
    console.error("fine-tuning the cross-encoder");
    const task = textClassification({
      tokenizer: await loadTokenizer(start),
      maxSeqLength: MAX_LENGTH,
      textColumns: ["question", "answer"],
      labels: ["no", "yes"],
    });
    const model = await finetune(
      start,
      task,
      { train: memoryTable("labelled pairs", labelled) },
      {
        ...{ numEpochs: 2, batchSize: 32, learningRate: 1e-4, seed: 1, engine, dtype, listener },
        ...{ outputDir: join(work, "cross-encoder-run"), checkpointSteps: 100, keepCheckpoints: 1 },
      },
    );
    await model.save(folder);
  }
  return loadClassifier(folder);
}
