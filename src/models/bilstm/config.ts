import {
  type ConfigInput,
  type ConfigOf,
  defineFields,
  integerField,
  nullableField,
  numberField,
  probabilityField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";

const fields = defineFields({
  vocabSize: integerField({ default: 30_522, min: 1, doc: "Rows of the word embedding." }),
  embeddingSize: integerField({ default: 300, min: 1, doc: "Width of the word vectors." }),
  lstmSize: integerField({ default: 512, min: 1, doc: "Width of the states of one direction." }),
  numHiddenLayers: integerField({ default: 2, min: 1, doc: "Layers, each of two directions." }),
  maxPositionEmbeddings: integerField({ default: 512, min: 1, doc: "Longest sequence, in tokens." }),
  hiddenDropoutProb: probabilityField({ default: 0.5, doc: "Dropout of word vectors and of what layers give." }),
  classifierDropout: nullableField(
    probabilityField({ doc: "Dropout before a classification head; null: as hiddenDropoutProb." }),
  ),
  initializerRange: numberField({ default: 0.05, min: 0, doc: "Deviation of new weights." }),
  padTokenId: integerField({ default: 0, min: 0, doc: "Id that fills rows." }),
});

export const biLstmConfigTable = defineConfig({ name: "bilstm", fields });

export type BiLstmConfig = ConfigOf<typeof biLstmConfigTable.fields>;

/** Sizes: that of the paper on cross-view training, its directions alike. @source Clark et al. 2018, arXiv:1809.08370 */
export const biLstmPresets = { paper: {}, small: { embeddingSize: 128, lstmSize: 128 } } as const;

/**
 * Settings of a biLSTM.
 * @throws {ConfigError} all problems together
 */
export function biLstmConfig(settings: ConfigInput<typeof fields> = {}): BiLstmConfig {
  return biLstmConfigTable.resolve(settings);
}

/** Width of the states that heads read: both directions of all layers. */
export const statesSize = ({ lstmSize, numHiddenLayers }: Pick<BiLstmConfig, "lstmSize" | "numHiddenLayers">): number =>
  2 * lstmSize * numHiddenLayers;
