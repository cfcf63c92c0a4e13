/** @file What comes of a run of a fine-tuning recipe, and where it runs. */
import { join } from "node:path";
import type { Backend } from "../../backend/backend.ts";
import type { TrainResult } from "../../train/trainer.ts";
import type { Session } from "../session.ts";
import type { RecipeData } from "./recipe-data.ts";

/** One seed's run, and where its model is; no model when it was interrupted. */
export interface FinetuneOutcome {
  readonly seed: number;
  readonly run: Omit<TrainResult, "weights">;
  /** All figures on held-out data; undefined without any, or when the run was interrupted. */
  readonly evaluation: object | undefined;
  /** Those of them that are compared over seeds. */
  readonly figures: Readonly<Record<string, number>> | undefined;
  /** They as a text, where there is more to say. */
  readonly report: string | undefined;
  readonly modelFolder: string | undefined;
  /** Files about single held-out items. */
  readonly files?: readonly string[];
}

/** Where a run's model goes; nowhere where it was interrupted. */
export function modelPlace(outputDir: string, { reason }: Pick<TrainResult, "reason">): string | undefined {
  return reason === "interrupted" ? undefined : join(outputDir, "model");
}

/** A run's place: an engine that is open, and what ends it early. */
export interface SeedPlace {
  readonly session: Session;
  readonly engine: Backend;
  readonly signal: AbortSignal;
  /** Parts of the recipe's data; the files it names when left out. */
  readonly data?: RecipeData;
}
