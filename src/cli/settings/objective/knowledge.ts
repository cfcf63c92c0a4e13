import { readSpans } from "../../../data/span-file.ts";
import { SpanLexicon } from "../../../data/span-lexicon.ts";
import { choiceField, integerField, probabilityField, textField } from "../../../formats/config-fields.ts";
import { knowledgeMasking } from "../../../objectives/knowledge-masking.ts";
import { objectiveChoice } from "./choice.ts";
import { maskedTextFields, maskedTextIssues } from "./masked.ts";

/** ERNIE's objective. */
export const knowledgeChoice = objectiveChoice(
  {
    spans: textField({ doc: "Span file: text, tab, phrase or entity (firth data spans makes one)." }),
    stage: choiceField(["basic", "phrase", "entity", "mixture", "curriculum"], {
      default: "mixture",
      doc: "What is masked as a whole; mixture: drawn for each example; curriculum: one after the other by epochs.",
    }),
    basicShare: probabilityField({ default: 0.34, doc: "Share of the examples with words alone, in a mixture." }),
    phraseShare: probabilityField({ default: 0.33, doc: "Share with phrases; the rest has names." }),
    epochsPerStage: integerField({
      default: 1,
      min: 1,
      doc: "Epochs of the first and the second stage of a curriculum.",
    }),
    ...maskedTextFields,
  },
  async ({ spans, basicShare, phraseShare, maxPredictionsPerSequence, ...settings }, tokenizer) =>
    knowledgeMasking({
      ...settings,
      tokenizer,
      lexicon: await SpanLexicon.compile(await readSpans(spans), tokenizer),
      shares: { basic: basicShare, phrase: phraseShare, entity: Math.max(0, 1 - basicShare - phraseShare) },
      ...(maxPredictionsPerSequence === null ? {} : { maxPredictionsPerSequence }),
    }),
  (settings) => [
    ...maskedTextIssues(settings),
    ...(settings.basicShare + settings.phraseShare <= 1
      ? []
      : [
          {
            path: "basicShare",
            message: `and phraseShare must sum to at most 1; got ${settings.basicShare} and ${settings.phraseShare}.`,
            code: "CONFIG_RANGE",
          },
        ]),
  ],
);
