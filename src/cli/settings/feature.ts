/** @file The part of a recipe that says what is read off a model where only a head over its vectors is trained. */
import {
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  probabilityField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { tokenPoolings } from "../../tasks/pooling.ts";

const fields = defineFields({
  layers: listField(integerField({ doc: "" }), {
    default: [-1],
    doc: "Whose outputs: 0 the embeddings', 1 the first layer's, -1 the last one's; of several one behind the other.",
  }),
  pooling: listField(choiceField(tokenPoolings, { doc: "" }), {
    default: ["mean"],
    doc: "How a text's tokens become one vector; several are put one behind the other.",
  }),
  hiddenSize: integerField({ default: 0, min: 0, doc: "Width of a layer with tanh before the classes; 0: none." }),
  dropout: probabilityField({ default: 0.1, doc: "Dropout on the head's inputs." }),
  folder: nullableField(textField({ doc: "Folder of the vectors, which runs may share; null: <outputDir>/features." })),
});

export const featureTable = defineConfig({ name: "features", fields });
export type FeatureTableSettings = ConfigOf<typeof fields>;
