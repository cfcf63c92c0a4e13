/** @file Tells what a fine-tuning recipe would train when, and trains nothing. */
import { explainTransfer } from "../../api/explain-transfer.ts";
import { withEngine } from "../../runtime.ts";
import type { TransferExplanation } from "../../transfer/explain.ts";
import type { Session } from "../session.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { runSeed } from "./finetune-seed.ts";
import { togetherSeed } from "./run-together.ts";
import type { TogetherRecipe } from "./together-recipe.ts";

/** The run of a recipe's first seed, explained: nothing is written, and no engine computes. Of several tasks the part together. */
export function explainRecipe(session: Session, recipe: FinetuneRecipe | TogetherRecipe): Promise<TransferExplanation> {
  const [seed = recipe.train.seed] = recipe.seeds;
  return session.stoppable((signal) =>
    // Opened without a library or threads, and never used.
    withEngine({ engine: "reference" }, (engine) => {
      const place = { session, engine, signal };
      const run = (train: typeof recipe.train) =>
        "tasks" in recipe
          ? togetherSeed({ ...recipe, seeds: [seed], train }, place)
          : runSeed({ ...recipe, seeds: [seed], train }, place);
      return explainTransfer(run, { ...recipe.train, seed });
    }),
  );
}
