/** @file Carries out a fine-tuning recipe: one run for every seed. */
import { join } from "node:path";
import { type Finetuned, finetune } from "../../api/finetune.ts";
import { saveClassifier } from "../../api/load.ts";
import type { Backend } from "../../backend/backend.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { withEngine } from "../../runtime.ts";
import { textClassification } from "../../tasks/index.ts";
import { loadTokenizer } from "../../tokenizers/load.ts";
import type { Session } from "../session.ts";
import { engineOptions } from "../settings/engine.ts";
import { taskFileText } from "../settings/task.ts";
import { openTable } from "../settings/text.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { claimRunFolder, releaseRunFolder } from "./run-recipe.ts";

/** One seed's run, and where its model is; no model when it was interrupted. */
export interface FinetuneOutcome {
  readonly seed: number;
  readonly finetuned: Finetuned;
  readonly modelFolder: string | undefined;
}

/** One run whose folder has been claimed. */
async function runSeed(
  session: Session,
  recipe: FinetuneRecipe,
  engine: Backend,
  signal: AbortSignal,
): Promise<FinetuneOutcome> {
  const { model, task, data, transfer, train, outputDir } = recipe;
  const tokenizer = await loadTokenizer(recipe.tokenizer ?? model);
  const { labels, skipLabels, name: _name, ...settings } = task;
  const finetuned = await session.watchTraining((listener) =>
    finetune(
      model,
      textClassification({
        ...settings,
        tokenizer,
        ...(labels === null ? {} : { labels }),
        ...(skipLabels === null ? {} : { skipLabels }),
      }),
      { train: openTable(data.train, data), ...(data.eval === null ? {} : { eval: openTable(data.eval, data) }) },
      { ...train, ...transfer, outputDir, engine, dtype: recipe.engine.dtype, listener, signal },
    ),
  );
  const { seed } = train;
  if (finetuned.run.reason === "interrupted") return { seed, finetuned, modelFolder: undefined };
  const modelFolder = join(outputDir, "model");
  await saveClassifier(modelFolder, finetuned, async (temporary) => {
    const [name, text] = taskFileText(task);
    await writeFileAtomic(join(temporary, name), text);
  });
  return { seed, finetuned, modelFolder };
}

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
      outcomes.push(await runSeed(session, one, engine, signal));
    }
    return outcomes;
  });
}
