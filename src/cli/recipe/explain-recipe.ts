/** @file Tells what a fine-tuning recipe would train when, and trains nothing. */
import { explainTransfer } from "../../api/explain-transfer.ts";
import { withEngine } from "../../runtime.ts";
import type { TransferExplanation } from "../../transfer/explain.ts";
import type { Session } from "../session.ts";
import type { FinetuneRecipe } from "./finetune-recipe.ts";
import { runSeed } from "./finetune-seed.ts";

/** The run of a recipe's first seed, explained: nothing is written, and no engine computes. */
export function explainRecipe(session: Session, recipe: FinetuneRecipe): Promise<TransferExplanation> {
  const [seed = recipe.train.seed] = recipe.seeds;
  return session.stoppable((signal) =>
    // Opened without a library or threads, and never used.
    withEngine({ engine: "reference" }, (engine) =>
      explainTransfer((train) => runSeed({ ...recipe, seeds: [seed], train }, { session, engine, signal }), {
        ...recipe.train,
        seed,
      }),
    ),
  );
}
