import { normal } from "../../nn/initializer.ts";
import { dropout, Linear } from "../../nn/layers.ts";
import { type ForwardContext, Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { defineFamily } from "../define-family.ts";
import { type ModelState, newModel } from "../family.ts";
import type { Framing } from "../framing.ts";
import type { ClassificationModel, PretrainingModel } from "../model.ts";
import { tokenNetworks } from "../transformer/token-head.ts";
import { denseEntries, type WeightEntry } from "../weight-map.ts";
import { type BiLstmConfig, biLstmConfigTable, biLstmPresets, statesSize } from "./config.ts";
import { BiLstmEncoder } from "./encoder.ts";

/** The encoder alone: it is learnt with its tasks. */
class BareBiLstm extends Module implements PretrainingModel {
  readonly encoder: BiLstmEncoder;

  constructor(config: BiLstmConfig) {
    super();
    this.encoder = new BiLstmEncoder(config);
  }
}

/** A linear classifier on the states of the first token, whose backward ones have seen the whole text. */
class BiLstmClassifier extends Module implements ClassificationModel {
  readonly encoder: BiLstmEncoder;
  readonly classifier: Linear;
  readonly numLabels: number;
  private readonly dropoutRate: number;

  constructor(config: BiLstmConfig, numLabels: number) {
    super();
    this.encoder = new BiLstmEncoder(config);
    this.classifier = new Linear(this.encoder.hiddenSize, numLabels, normal(config.initializerRange));
    this.numLabels = numLabels;
    this.dropoutRate = config.classifierDropout ?? config.hiddenDropoutProb;
  }

  classificationLogits(context: ForwardContext, pooled: Tensor): Tensor {
    return this.classifier.apply(context, dropout(context, pooled, this.dropoutRate));
  }
}

/** `[CLS] A [SEP] B [SEP]`, without kinds of segments. */
const framing: Framing = {
  single: ["cls", 0, "sep"],
  pair: ["cls", 0, "sep", 1, "sep"],
  typesSecond: false,
};

function weightMap({ numHiddenLayers }: BiLstmConfig): readonly WeightEntry[] {
  const layers = Array.from({ length: numHiddenLayers }, (_, layer) =>
    (["forward", "backward"] as const).flatMap((direction) =>
      (["inputWeight", "recurrentWeight", "bias"] as const).map((part): WeightEntry => {
        const name = `layers.${layer}.${direction}.${part}`;
        return { parameter: `encoder.${name}`, keys: [`bilstm.${name}`] };
      }),
    ),
  );
  return [
    { parameter: "encoder.embeddings.weight", keys: ["bilstm.embeddings.weight"] },
    ...layers.flat(),
    ...denseEntries("classifier", "classifier"),
  ];
}

/** A recurrent encoder to be learnt with its tasks, as cross-view training was made for. transformers knows no such model. */
export const biLstmFamily = defineFamily({
  table: biLstmConfigTable,
  name: "bilstm",
  presets: biLstmPresets,
  framing,
  fromVocabulary: ({ vocabSize, special }) => ({ vocabSize, padTokenId: special.pad }),
  facts: (config) => ({ ...config, hiddenSize: statesSize(config), typeVocabSize: 0 }),
  pretraining: {
    build: (config) => new BareBiLstm(config),
    architecture: "BiLstmModel",
    mayBeNew: /(?!)/,
  },
  classification: {
    build: (config, numLabels) => new BiLstmClassifier(config, numLabels),
    architecture: "BiLstmForSequenceClassification",
    mayBeNew: /^classifier\./,
  },
  ...tokenNetworks<BiLstmConfig>({
    name: "BiLstm",
    encoder: (config) => new BiLstmEncoder(config),
    init: (config) => normal(config.initializerRange),
    dropout: (config) => config.classifierDropout ?? config.hiddenDropoutProb,
  }),
  weightMap,
  prefix: "bilstm.",
  ignoredTensors: /^(classifier|qa_outputs)\./,
});

/**
 * A new biLSTM.
 * @param seed of the new weights
 */
export function biLstm(
  config: BiLstmConfig,
  options: { readonly seed: number },
): ModelState<PretrainingModel, BiLstmConfig> {
  return newModel(biLstmFamily, config, options);
}
