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
import { openTable } from "../settings/text.ts";
import { type FinetuneOutcome, modelPlace, type SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";

/** Name of the field that mined negatives are put into. */
const MINED = "minedNegatives";

/** Learns vectors for search, and writes the model. */
export async function retrievalSeed(
  { model, task, data, transfer, train, outputDir, ...recipe }: FinetuneRecipe<RetrievalTaskSettings>,
  { session, engine, signal }: SeedPlace,
): Promise<FinetuneOutcome> {
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { groupColumn, negativeColumn, scoreRange, corpus, numMined, minedRanks, ...settings } = task;
  const { dtype } = recipe.engine;
  let pairs = openTable(data.train, data);
  const further = corpus === null ? undefined : openTable(corpus, data);
  // What trains when does not hang on them.
  const mines = numMined > 0 && (train as FinetuneOptions)[explaining] === undefined;
  if (mines) {
    session.say(`Looking for ${numMined} hard negatives a pair with ${model}`);
    pairs = await mineNegatives(await loadPretrained(model), pairs, {
      ...{ questionColumn: task.questionColumn, passageColumn: task.passageColumn },
      ...{ pooling: task.pooling, maxSeqLength: task.maxSeqLength, engine, dtype },
      groupColumn: groupColumn ?? undefined,
      numNegatives: numMined,
      ranks: [minedRanks[0]!, minedRanks[1]!],
      seed: train.seed,
      field: MINED,
    });
  }
  const learning = {
    ...settings,
    tokenizer,
    groupColumn: groupColumn ?? undefined,
    scoreRange: scoreRange === null ? undefined : ([scoreRange[0]!, scoreRange[1]!] as const),
  };
  const tables = {
    train: pairs,
    ...(data.eval === null ? {} : { eval: openTable(data.eval, data), corpus: further }),
  };
  const finetuned = await session.watchTraining((listener) =>
    finetuneRetrieval(
      model,
      retrieval({ ...learning, negativeColumn: mines ? MINED : (negativeColumn ?? undefined) }),
      tables,
      {
        ...train,
        ...transfer,
        outputDir,
        engine,
        dtype,
        listener,
        signal,
      },
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
