import { causalChoice } from "./causal.ts";
import type { ObjectiveChoice } from "./choice.ts";
import { denoisingChoice } from "./denoising.ts";
import { knowledgeChoice } from "./knowledge.ts";
import { maskedChoice } from "./masked.ts";
import { maskedSequenceToSequenceChoice } from "./masked-sequence-to-sequence.ts";
import { unifiedChoice } from "./unified.ts";

export type { ObjectiveChoice, ObjectiveSettings } from "./choice.ts";

/** What recipes can have learned, by the objective's name. */
export const objectiveChoices = {
  maskedLanguageModeling: maskedChoice,
  knowledgeMasking: knowledgeChoice,
  causalLanguageModeling: causalChoice,
  denoising: denoisingChoice,
  maskedSequenceToSequence: maskedSequenceToSequenceChoice,
  unifiedLanguageModeling: unifiedChoice,
} as const satisfies Readonly<Record<string, ObjectiveChoice>>;

export type ObjectiveName = keyof typeof objectiveChoices;
