/** @file Carries out a fine-tuning recipe: one run for every seed. */
import { join } from "node:path";
import type { Backend } from "../../backend/backend.ts";
import { withEngine } from "../../runtime.ts";
import type { TrainOptions } from "../../train/options.ts";
import type { Session } from "../session.ts";
import { type EngineSettings, engineOptions } from "../settings/engine.ts";
import type { FinetuneOutcome, SeedPlace } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { runSeed } from "./finetune-seed.ts";
import { judgedSeed } from "./judged-seed.ts";
import { claimRunFolder, releaseRunFolder } from "./run-recipe.ts";

export type { FinetuneOutcome } from "./finetune-outcome.ts";

/** What recipes of one task and of several have in common. */
interface SeededRecipe {
  readonly outputDir: string;
  readonly train: TrainOptions;
  readonly seeds: readonly number[];
  readonly engine: EngineSettings;
}

/** Carries out a recipe with one seed; its folder has been claimed. */
type RunOne<R> = (recipe: R, place: SeedPlace) => Promise<FinetuneOutcome>;

/**
 * Runs a recipe: in its own folder, or with several seeds in one below it for each.
 * @param options `judges`: what the models make of each held-out item is written beside them
 */
export async function runFinetune(
  session: Session,
  recipe: FinetuneRecipe,
  { judges = false } = {},
): Promise<FinetuneOutcome[]> {
  return runRecipeSeeds(session, recipe, judges ? judgedSeed : runSeed);
}

/** The same, whatever a run of one seed does. */
export async function runRecipeSeeds<R extends SeededRecipe>(
  session: Session,
  recipe: R,
  run: RunOne<R>,
): Promise<FinetuneOutcome[]> {
  const { engine: given, dtype } = engineOptions(recipe.engine);
  // An engine that cannot run here says so before there is a folder.
  return withEngine(given, (engine) => runWith(session, recipe, engine, run), dtype);
}

async function runWith<R extends SeededRecipe>(
  session: Session,
  recipe: R,
  engine: Backend,
  run: RunOne<R>,
): Promise<FinetuneOutcome[]> {
  const { seeds, outputDir } = recipe;
  await claimRunFolder(outputDir, recipe);
  try {
    return await runSeeds(session, recipe, engine, run);
  } catch (error) {
    for (const seed of seeds) await releaseRunFolder(join(outputDir, `seed-${seed}`));
    await releaseRunFolder(outputDir);
    throw error;
  }
}

function runSeeds<R extends SeededRecipe>(
  session: Session,
  recipe: R,
  engine: Backend,
  run: RunOne<R>,
): Promise<FinetuneOutcome[]> {
  const { seeds, outputDir } = recipe;
  return session.stoppable(async (signal) => {
    const outcomes: FinetuneOutcome[] = [];
    for (const seed of seeds) {
      if (signal.aborted) break;
      const folder = seeds.length === 1 ? outputDir : join(outputDir, `seed-${seed}`);
      const one = { ...recipe, outputDir: folder, seeds: [seed], train: { ...recipe.train, seed } };
      if (seeds.length > 1) {
        session.say(`Seed ${seed}: ${folder}`);
        await claimRunFolder(folder, one);
      }
      outcomes.push(await run(one, { session, engine, signal }));
    }
    return outcomes;
  });
}
