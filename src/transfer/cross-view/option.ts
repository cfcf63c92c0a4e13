/** @file Settings of cross-view training. */
import {
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  numberField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { viewNames } from "./view.ts";

/** The settings, as recipes and programs have them. */
export const crossViewFields = defineFields({
  views: nullableField(
    listField(choiceField(viewNames, { default: "masked", doc: "" }), {
      doc: "What is seen where predictions are to be the same; null: forward, backward, future, past of words, halves and masked of texts.",
    }),
  ),
  weight: numberField({ default: 1, min: 1e-6, doc: "Factor of the views' loss." }),
  batchSize: nullableField(integerField({ min: 1, doc: "Unlabelled texts a step; null: as many as labelled ones." })),
  unlabelledSteps: integerField({ default: 1, min: 1, doc: "Unlabelled steps after each labelled one." }),
  maskProbability: numberField({
    default: 0.15,
    min: 0.001,
    max: 0.999,
    doc: "Share of the tokens that the view masked does not see.",
  }),
  maxTexts: nullableField(integerField({ min: 1, doc: "At most so many unlabelled texts are read; null: all." })),
});

export const crossViewTable = defineConfig({ name: "crossView", fields: crossViewFields });

export type CrossViewSettings = ConfigOf<typeof crossViewFields>;
