/** @file One seed's run of a recipe that learns vectors for search. */
import { join } from "node:path";
import { explaining, type FinetuneOptions } from "../../api/finetune-option.ts";
import { finetuneRetrieval } from "../../api/finetune-retrieval.ts";
import { loadPretrained } from "../../api/load.ts";
import { mineNegatives } from "../../api/mine-negatives.ts";
import { saveRetrievalModel } from "../../api/retrieval-model.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { retrieval } from "../../tasks/retrieval.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { type RetrievalTaskSettings, retrievalTaskFile } from "../settings/retrieval-task.ts";
import { type FinetuneOutcome, modelPlace, type SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { openPairs } from "./retrieval-tables.ts";

/** Name of the field that mined negatives are put into. */
const MINED = "minedNegatives";

/** Learns vectors for search, and writes the model. */
export async function retrievalSeed(
  recipe: FinetuneRecipe<RetrievalTaskSettings>,
  { session, engine, signal, data: parts }: SeedPlace,
): Promise<FinetuneOutcome> {
  const { model, task, transfer, train, outputDir } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { dtype } = recipe.engine;
  const { columns, ...tables } = await openPairs(recipe, parts);
  let { train: pairs } = tables;
  // What trains when does not hang on them.
  const mines = task.numMined > 0 && (train as FinetuneOptions)[explaining] === undefined;
  if (mines) {
    const { numMined, minedRanks, pooling, maxSeqLength } = task;
    session.say(`Looking for ${numMined} hard negatives a pair with ${model}`);
    const { questionColumn, passageColumn, groupColumn } = columns;
    pairs = await mineNegatives(await loadPretrained(model), pairs, {
      ...{ questionColumn, passageColumn, groupColumn, pooling, maxSeqLength, engine, dtype },
      numNegatives: numMined,
      ranks: [minedRanks[0]!, minedRanks[1]!],
      seed: train.seed,
      field: MINED,
    });
  }
  const { loss, scale, isSymmetric, scoreRange, pooling, maxSeqLength, packed } = task;
  const finetuned = await session.watchTraining((listener) =>
    finetuneRetrieval(
      model,
      retrieval({
        ...{ tokenizer, loss, scale, isSymmetric, pooling, maxSeqLength, packed, ...columns },
        scoreRange: scoreRange === null ? undefined : ([scoreRange[0]!, scoreRange[1]!] as const),
        negativeColumn: mines ? MINED : columns.negativeColumn,
      }),
      { ...tables, train: pairs },
      { ...train, ...transfer, outputDir, engine, dtype, listener, signal },
    ),
  );
  const { run, evaluation } = finetuned;
  const modelFolder = modelPlace(outputDir, run);
  if (modelFolder !== undefined) {
    await saveRetrievalModel(modelFolder, finetuned, async (temporary) => {
      const [name, text] = retrievalTaskFile(task);
      await writeFileAtomic(join(temporary, name), text);
    });
  }
  return {
    seed: train.seed,
    run,
    evaluation,
    figures: evaluation && { ...evaluation.figures, loss: evaluation.loss },
    report: undefined,
    modelFolder,
  };
}
