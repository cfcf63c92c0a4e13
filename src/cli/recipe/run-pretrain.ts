/** @file Carries out a pre-training recipe: tokenizer, corpus, model, run. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadPretrained } from "../../api/load.ts";
import { type PretrainedModel, saveModel } from "../../api/model.ts";
import { type Pretrained, pretrain, requireFit, roomIssues } from "../../api/pretrain.ts";
import type { Backend } from "../../backend/backend.ts";
import { ConfigError } from "../../base/errors.ts";
import { manifestFile } from "../../data/manifest.ts";
import { ShardedCorpus } from "../../data/sharded-corpus.ts";
import type { TextSource } from "../../data/source.ts";
import { writeFolderAtomic } from "../../formats/atomic.ts";
import { familyNamed } from "../../models/families.ts";
import { type ModelState, newModel } from "../../models/family.ts";
import type { PretrainingModel } from "../../models/model.ts";
import { withEngine } from "../../runtime.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import type { Session } from "../session.ts";
import { engineOptions } from "../settings/engine.ts";
import { objectiveChoices } from "../settings/objective/index.ts";
import { openText } from "../settings/text.ts";
import { learnTokenizer, prepare } from "../steps.ts";
import { checkPretrainRecipe, type PretrainRecipe } from "./pretrain-recipe.ts";
import { claimRunFolder, preparedNames, releaseRunFolder } from "./run-recipe.ts";

/** A run that ended, and where its model is; no model when it was interrupted. */
export interface PretrainOutcome {
  readonly pretrained: Pretrained;
  readonly modelFolder: string | undefined;
}

interface TextParts {
  readonly train: TextSource;
  readonly eval: TextSource | undefined;
}

/** The text of a recipe, divided; undefined where it names prepared corpora. */
async function textParts({ data }: PretrainRecipe): Promise<TextParts | undefined> {
  if (data.input === null) return undefined;
  const whole = await openText(data.input, data);
  if (data.evalInput !== null) return { train: whole, eval: await openText(data.evalInput, data) };
  if (data.evalFraction === null) return { train: whole, eval: undefined };
  return whole.split({ evalFraction: data.evalFraction, seed: data.splitSeed });
}

/** The recipe's tokenizer: one that is there, the one this run has learned before, or a new one. */
async function recipeTokenizer(
  session: Session,
  { tokenizer, outputDir }: PretrainRecipe,
  text: TextParts | undefined,
): Promise<Tokenizer> {
  if (typeof tokenizer === "string") return loadTokenizer(tokenizer);
  const folder = join(outputDir, preparedNames[0]);
  if (!existsSync(folder)) {
    const learned = await learnTokenizer(session, text!.train, tokenizer.train);
    await writeFolderAtomic(folder, (temporary) => learned.save(temporary));
  }
  return loadTokenizer(folder);
}

/** A corpus prepared in the run's folder, now or when the run began. */
async function runCorpus(
  session: Session,
  recipe: PretrainRecipe,
  part: { readonly name: string; readonly source: TextSource; readonly tokenizer: Tokenizer },
  signal: AbortSignal,
): Promise<ShardedCorpus> {
  const { source, tokenizer } = part;
  const outputFolder = join(recipe.outputDir, part.name);
  if (!existsSync(join(outputFolder, manifestFile))) {
    const {
      input: _i,
      evalInput: _e,
      corpus: _c,
      evalCorpus: _v,
      evalFraction: _f,
      splitSeed: _s,
      ...settings
    } = recipe.data;
    await prepare(session, { source, tokenizer, outputFolder, settings, signal });
  }
  return ShardedCorpus.open(outputFolder, { tokenizer });
}

/** The network of a recipe, known before its text is prepared; a new one has its numbers only when it begins to learn. */
interface ComingModel extends Omit<ModelState<PretrainingModel>, "weights"> {
  start(): ModelState<PretrainingModel>;
}

/** A model that goes on from a folder. @throws {ConfigError} SEQUENCE_TOO_LONG */
async function givenModel({ model, objective, train }: PretrainRecipe): Promise<ComingModel | undefined> {
  if (model.from === undefined) return undefined;
  const loaded = await loadPretrained(model.from, { seed: train.seed });
  const issues = roomIssues(loaded.family.facts(loaded.config).maxPositionEmbeddings, objective.maxSeqLength);
  if (issues.length > 0) throw new ConfigError("pretrain", issues);
  return { ...loaded, start: () => loaded };
}

/** A new model for a vocabulary. */
function newComing({ model, train }: PretrainRecipe, tokenizer: Tokenizer): ComingModel {
  const { from: _from, family: name, ...settings } = model;
  const family = familyNamed(name);
  const config = family.configure(settings, tokenizer);
  const start = (): ModelState<PretrainingModel> => newModel(family, config, { seed: train.seed });
  return { family, config, module: family.pretraining(config), start };
}

/** Runs a recipe in its folder: a new run, or one that was interrupted. */
export async function runPretrain(session: Session, recipe: PretrainRecipe): Promise<PretrainOutcome> {
  const { engine: given, dtype } = engineOptions(recipe.engine);
  // An engine that cannot run here says so before there is a folder.
  return withEngine(given, (engine) => runWith(session, recipe, engine), dtype);
}

async function runWith(session: Session, recipe: PretrainRecipe, engine: Backend): Promise<PretrainOutcome> {
  await claimRunFolder(recipe.outputDir, recipe, (there) => checkPretrainRecipe(there, recipe.outputDir));
  try {
    return await runClaimed(session, recipe, engine);
  } catch (error) {
    await releaseRunFolder(recipe.outputDir);
    throw error;
  }
}

async function runClaimed(session: Session, recipe: PretrainRecipe, engine: Backend): Promise<PretrainOutcome> {
  const { data, objective, outputDir } = recipe;
  // What takes long comes after what can be wrong: a folder that is missing, a vocabulary of another size, too few places.
  const given = await givenModel(recipe);
  const text = await textParts(recipe);
  // Learning a vocabulary keeps the processor: outside `stoppable` a signal ends the program at once.
  const tokenizer = await recipeTokenizer(session, recipe, text);
  const { name, ...settings } = objective;
  const learned = await objectiveChoices[name].build(settings, tokenizer);
  const coming = given ?? newComing(recipe, tokenizer);
  requireFit(coming, learned);
  return session.stoppable(async (signal) => {
    const opened: ShardedCorpus[] = [];
    const corpusOf = async (name: string, source: TextSource | undefined, prepared: string | null) => {
      if (source === undefined && prepared === null) return undefined;
      const corpus =
        source === undefined
          ? await ShardedCorpus.open(prepared!, { tokenizer })
          : await runCorpus(session, recipe, { name, source, tokenizer }, signal);
      opened.push(corpus);
      return corpus;
    };
    try {
      const train = await corpusOf(preparedNames[1], text?.train, data.corpus);
      const held = await corpusOf(preparedNames[2], text?.eval, data.evalCorpus);
      const pretrained = await session.watchTraining(async (listener) =>
        pretrain(
          coming.start(),
          learned,
          { train: train!, ...(held === undefined ? {} : { eval: held }) },
          {
            ...recipe.train,
            outputDir,
            engine,
            dtype: recipe.engine.dtype,
            listener,
            signal,
            shortSequenceProbability: settings.shortSequenceProbability,
          },
        ),
      );
      if (pretrained.run.reason === "interrupted") return { pretrained, modelFolder: undefined };
      const modelFolder = join(outputDir, "model");
      await saveModel(modelFolder, pretrained as PretrainedModel);
      return { pretrained, modelFolder };
    } finally {
      for (const corpus of opened) corpus.close();
    }
  });
}
