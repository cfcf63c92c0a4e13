/** @file Carries out a fine-tuning recipe: one run for every seed. */
import { join } from "node:path";
import type { Backend } from "../../backend/backend.ts";
import { withEngine } from "../../runtime.ts";
import type { Session } from "../session.ts";
import { engineOptions } from "../settings/engine.ts";
import type { FinetuneOutcome } from "./finetune-outcome.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { runSeed } from "./finetune-seed.ts";
import { claimRunFolder, releaseRunFolder } from "./run-recipe.ts";

export type { FinetuneOutcome } from "./finetune-outcome.ts";

/** Runs a recipe: in its own folder, or with several seeds in one below it for each. */
export async function runFinetune(session: Session, recipe: FinetuneRecipe): Promise<FinetuneOutcome[]> {
  const { engine: given, dtype } = engineOptions(recipe.engine);
  // An engine that cannot run here says so before there is a folder.
  return withEngine(given, (engine) => runWith(session, recipe, engine), dtype);
}

async function runWith(session: Session, recipe: FinetuneRecipe, engine: Backend): Promise<FinetuneOutcome[]> {
  const { seeds, outputDir } = recipe;
  await claimRunFolder(outputDir, recipe);
  try {
    return await runSeeds(session, recipe, engine);
  } catch (error) {
    for (const seed of seeds) await releaseRunFolder(join(outputDir, `seed-${seed}`));
    await releaseRunFolder(outputDir);
    throw error;
  }
}

function runSeeds(session: Session, recipe: FinetuneRecipe, engine: Backend): Promise<FinetuneOutcome[]> {
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
      outcomes.push(await runSeed(one, { session, engine, signal }));
    }
    return outcomes;
  });
}
