import type { ConfigIssue } from "../../../base/errors.ts";
import {
  type ConfigOf,
  choiceField,
  integerField,
  nullableField,
  probabilityField,
} from "../../../formats/config-fields.ts";
import { maskedLanguageModeling } from "../../../objectives/masked-language-modeling.ts";
import { maskedTextIssues as optionIssues } from "../../../objectives/masked-text-option.ts";
import { objectiveChoice } from "./choice.ts";

/** Settings of all objectives of masked words. */
export const maskedTextFields = {
  maskProbability: probabilityField({ default: 0.15, doc: "Share of the tokens that is predicted." }),
  maxPredictionsPerSequence: nullableField(integerField({ min: 1, doc: "Most predicted tokens in a row." })),
  maskTokenProbability: probabilityField({ default: 0.8, doc: "Share of these that becomes [MASK]." }),
  randomTokenProbability: probabilityField({ default: 0.1, doc: "Share that becomes a random token." }),
  masking: choiceField(["dynamic", "static"], { default: "dynamic", doc: "Masks anew every epoch, or once." }),
  pair: choiceField(["none", "nextSentence", "sentenceOrder"], { default: "none", doc: "How two segments relate." }),
  documents: choiceField(["separate", "joined"], {
    default: "separate",
    doc: "Runs of one document each, or going on in the next one; without pairs.",
  }),
  boundary: choiceField(["token", "sentence"], {
    default: "token",
    doc: "Whether runs end after any token, or hold whole sentences; without pairs.",
  }),
};

/** Rules between these settings. */
export function maskedTextIssues({
  maxPredictionsPerSequence: _,
  ...settings
}: ConfigOf<typeof maskedTextFields>): ConfigIssue[] {
  return optionIssues(settings);
}

/** BERT's, RoBERTa's and ALBERT's objectives. */
export const maskedChoice = objectiveChoice(
  {
    unit: choiceField(["token", "wholeWord", "ngram"], { default: "token", doc: "What is masked together." }),
    maxNgram: integerField({ default: 3, min: 1, doc: "Longest n-gram with unit ngram." }),
    ...maskedTextFields,
  },
  ({ maxPredictionsPerSequence, ...settings }, tokenizer) =>
    maskedLanguageModeling({
      ...settings,
      tokenizer,
      ...(maxPredictionsPerSequence === null ? {} : { maxPredictionsPerSequence }),
    }),
  maskedTextIssues,
);
