import { causalChoice } from "./causal.ts";
import type { ObjectiveChoice } from "./choice.ts";
import { maskedChoice } from "./masked.ts";

export type { ObjectiveChoice, ObjectiveSettings } from "./choice.ts";

/** What recipes can have learned, by the objective's name. */
export const objectiveChoices = {
  maskedLanguageModeling: maskedChoice,
  causalLanguageModeling: causalChoice,
} as const satisfies Readonly<Record<string, ObjectiveChoice>>;

export type ObjectiveName = keyof typeof objectiveChoices;
