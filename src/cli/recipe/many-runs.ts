/** @file What recipes have in common that are carried out many times: folds, learning curves, searches. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Backend } from "../../backend/backend.ts";
import { withEngine } from "../../runtime.ts";
import type { Session } from "../session.ts";
import { engineOptions } from "../settings/engine.ts";
import type { FinetuneOutcome } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { runSeed } from "./finetune-seed.ts";
import type { JudgePlace } from "./judge-run.ts";
import type { RecipeData } from "./recipe-data.ts";
import { claimRunFolder } from "./run-recipe.ts";

/** Where many runs are made. */
export interface ManyRuns {
  readonly session: Session;
  readonly engine: Backend;
  readonly signal: AbortSignal;
}

/** Opens the engine of a recipe for many runs, which a signal ends. */
export function withManyRuns<T>(
  session: Session,
  { engine: settings }: Pick<FinetuneRecipe, "engine">,
  work: (place: ManyRuns) => Promise<T>,
): Promise<T> {
  const { engine: given, dtype } = engineOptions(settings);
  return withEngine(given, (engine) => session.stoppable((signal) => work({ session, engine, signal })), dtype);
}

/** Where a model of a recipe is judged. */
export function judgePlace({ train, engine }: FinetuneRecipe, { engine: backend }: ManyRuns): JudgePlace {
  return { engine: backend, dtype: engine.dtype, batchSize: train.batchSize };
}

/** What decides the results of a recipe, whatever its folder and engine. */
export function recipeFacts(recipe: FinetuneRecipe): object {
  const { outputDir: _folder, engine: _engine, seeds: _seeds, ...facts } = recipe;
  return facts;
}

/** One run of a recipe in a folder below that of all; a run that the folder holds a part of goes on. */
export async function runOne(
  recipe: FinetuneRecipe,
  place: ManyRuns,
  own: { readonly outputDir: string; readonly seed: number; readonly data?: RecipeData | undefined },
): Promise<{ readonly recipe: FinetuneRecipe; readonly outcome: FinetuneOutcome }> {
  const { outputDir, seed, data } = own;
  const one = { ...recipe, outputDir, seeds: [seed], train: { ...recipe.train, seed } };
  await claimRunFolder(outputDir, one);
  return { recipe: one, outcome: await runSeed(one, { ...place, ...(data === undefined ? {} : { data }) }) };
}

/** Removes the checkpoints of a run that is over: its figures and its model stay. */
export async function dropCheckpoints(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (/^checkpoint-\d+$/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
