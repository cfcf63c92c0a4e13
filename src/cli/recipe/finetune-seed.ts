/** @file One seed's run of a fine-tuning recipe, by the kind of its task. */
import { join } from "node:path";
import { saveFeatureModel } from "../../api/feature-model.ts";
import { finetune } from "../../api/finetune.ts";
import { finetuneFeatures } from "../../api/finetune-features.ts";
import { finetuneSequenceToSequence } from "../../api/finetune-sequence-to-sequence.ts";
import { saveClassifier } from "../../api/load.ts";
import { saveModel } from "../../api/model.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import {
  sequenceToSequence,
  type TextTask,
  type TextTaskData,
  textClassification,
  textRegression,
} from "../../tasks/index.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import { openCrossViews } from "../settings/cross-view.ts";
import { type TaskSettings, taskFileText } from "../settings/task.ts";
import { type WritingTaskSettings, writingTaskFile } from "../settings/writing-task.ts";
import { answerSeed } from "./answer-seed.ts";
import { choiceSeed } from "./choice-seed.ts";
import { type FinetuneOutcome, modelPlace, type SeedPlace } from "./finetune-outcome.ts";
import { type FinetuneRecipe, isAnswering, isChoosing, isRetrieving, isTagging, isWriting } from "./finetune-recipe.ts";
import { type Told, tellClasses, tellScores } from "./label-told.ts";
import { openRecipeData, tablesIn } from "./recipe-data.ts";
import { retrievalSeed } from "./retrieval-seed.ts";
import { taggingSeed } from "./tagging-seed.ts";

async function labelSeed(
  recipe: FinetuneRecipe<TaskSettings>,
  { session, engine, signal, data: parts }: SeedPlace,
): Promise<FinetuneOutcome> {
  const { model, task, data, transfer, train, outputDir } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { labels, skipLabels, name, ...settings } = task;
  const tables = tablesIn(parts ?? (await openRecipeData(recipe)));
  const addTask = async (temporary: string): Promise<void> => {
    const [file, text] = taskFileText(task);
    await writeFileAtomic(join(temporary, file), text);
  };
  const learn = async <D extends TextTaskData, R extends { readonly loss: number }>(
    learnt: TextTask<D, R>,
    tell: (evaluation: R) => Told,
  ) => {
    const { features, ...strategy } = transfer;
    const place = { outputDir, engine, dtype: recipe.engine.dtype, signal };
    const finetuned = await session.watchTraining(async (listener) => {
      if (features === undefined) {
        const views = openCrossViews(recipe.crossView, { textColumns: settings.textColumns, data });
        const made = await finetune(model, learnt, tables, { ...train, ...strategy, ...views, ...place, listener });
        return { ...made, write: (folder: string) => saveClassifier(folder, made, addTask) };
      }
      const { selectionFigure, fromScratch } = strategy;
      const own = {
        ...train,
        selectionFigure,
        fromScratch,
        features: { ...features, folder: features.folder ?? undefined },
      };
      const made = await finetuneFeatures(model, learnt, tables, { ...own, ...place, listener });
      return { ...made, write: (folder: string) => saveFeatureModel(folder, made, addTask) };
    });
    return { finetuned, told: finetuned.evaluation && tell(finetuned.evaluation) };
  };
  const classes = {
    ...settings,
    tokenizer,
    ...(labels === null ? {} : { labels }),
    ...(skipLabels === null ? {} : { skipLabels }),
  };
  const { finetuned, told } =
    name === "textRegression"
      ? await learn(textRegression({ ...settings, tokenizer }), tellScores)
      : await learn(textClassification(classes), tellClasses);
  const { run, evaluation } = finetuned;
  const modelFolder = modelPlace(outputDir, run);
  if (modelFolder !== undefined) await finetuned.write(modelFolder);
  return { seed: train.seed, run, evaluation, figures: told?.figures, report: told?.report, modelFolder };
}

/** What a model wrote for held-out sources, one a line. */
const writtenFile = "written.jsonl";

async function writeSeed(
  recipe: FinetuneRecipe<WritingTaskSettings>,
  { session, engine, signal, data: parts }: SeedPlace,
): Promise<FinetuneOutcome> {
  const { model, task, data, transfer, train, outputDir, generation } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { name: _name, ...settings } = task;
  const tables = tablesIn(parts ?? (await openRecipeData(recipe)));
  const { numWritten = 0, ...writing } = generation ?? {};
  const { selectionFigure: _figure, ...strategy } = transfer;
  // The columns of parallel text have names of their own.
  const columns = data.trainTarget === null ? {} : { sourceColumn: "source", targetColumn: "target" };
  const finetuned = await session.watchTraining((listener) =>
    finetuneSequenceToSequence(model, sequenceToSequence({ ...settings, ...columns, tokenizer }), tables, {
      ...train,
      ...strategy,
      ...{ outputDir, engine, dtype: recipe.engine.dtype, listener, signal },
      ...(numWritten === 0 ? {} : { writing: { ...writing, count: numWritten } }),
    }),
  );
  const { run, evaluation: scored, written } = finetuned;
  const modelFolder = modelPlace(outputDir, run);
  if (modelFolder !== undefined) {
    await saveModel(modelFolder, finetuned, async (temporary) => {
      const [name, text] = writingTaskFile(task);
      await writeFileAtomic(join(temporary, name), text);
    });
  }
  if (written !== undefined) {
    const lines = written.pairs.map((pair) => `${JSON.stringify(pair)}\n`);
    await writeFileAtomic(join(outputDir, writtenFile), lines.join(""));
  }
  const texts = written && {
    bleu: written.bleu,
    chrf: written.chrf,
    rouge: written.rouge,
    numWritten: written.pairs.length,
  };
  const shares = written && Object.entries(written.rouge).map(([kind, { fmeasure }]) => [kind, fmeasure] as const);
  const figures = scored && {
    ...scored,
    ...(written && { bleu: written.bleu.score, chrf: written.chrf.score, ...Object.fromEntries(shares!) }),
  };
  const evaluation = scored && { ...scored, ...texts };
  return { seed: train.seed, run, evaluation, figures, report: undefined, modelFolder };
}

/** One run whose folder has been claimed. */
export function runSeed(recipe: FinetuneRecipe, place: SeedPlace): Promise<FinetuneOutcome> {
  if (isAnswering(recipe)) return answerSeed(recipe, place);
  if (isTagging(recipe)) return taggingSeed(recipe, place);
  if (isRetrieving(recipe)) return retrievalSeed(recipe, place);
  if (isChoosing(recipe)) return choiceSeed(recipe, place);
  return isWriting(recipe) ? writeSeed(recipe, place) : labelSeed(recipe as FinetuneRecipe<TaskSettings>, place);
}
