import { choiceField, integerField, nullableField, probabilityField } from "../../../formats/config-fields.ts";
import { maskedLanguageModeling } from "../../../objectives/masked-language-modeling.ts";
import { objectiveChoice } from "./choice.ts";

/** BERT's, RoBERTa's and ALBERT's objectives. */
export const maskedChoice = objectiveChoice(
  {
    maskProbability: probabilityField({ default: 0.15, doc: "Share of the tokens that is predicted." }),
    unit: choiceField(["token", "wholeWord", "ngram"], { default: "token", doc: "What is masked together." }),
    maxNgram: integerField({ default: 3, min: 1, doc: "Longest n-gram with unit ngram." }),
    maxPredictionsPerSequence: nullableField(integerField({ min: 1, doc: "Most predicted tokens in a row." })),
    maskTokenProbability: probabilityField({ default: 0.8, doc: "Share of these that becomes [MASK]." }),
    randomTokenProbability: probabilityField({ default: 0.1, doc: "Share that becomes a random token." }),
    masking: choiceField(["dynamic", "static"], { default: "dynamic", doc: "Masks anew every epoch, or once." }),
    pair: choiceField(["none", "nextSentence", "sentenceOrder"], { default: "none", doc: "How two segments relate." }),
  },
  ({ maxPredictionsPerSequence, ...settings }, tokenizer) =>
    maskedLanguageModeling({
      ...settings,
      tokenizer,
      ...(maxPredictionsPerSequence === null ? {} : { maxPredictionsPerSequence }),
    }),
  ({ maskProbability, maskTokenProbability, randomTokenProbability }) => [
    ...(maskProbability > 0 && maskProbability < 1
      ? []
      : [{ path: "maskProbability", message: `must lie in (0, 1); got ${maskProbability}.`, code: "CONFIG_RANGE" }]),
    ...(maskTokenProbability + randomTokenProbability <= 1
      ? []
      : [
          {
            path: "maskTokenProbability",
            message: `and randomTokenProbability must sum to at most 1; got ${maskTokenProbability} and ${randomTokenProbability}.`,
            code: "CONFIG_RANGE",
          },
        ]),
  ],
);
