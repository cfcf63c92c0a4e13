/** @file Small networks of several families for tests of strategies. */
import { albertConfig } from "../models/albert/config.ts";
import { albertFamily } from "../models/albert/family.ts";
import { bartConfig } from "../models/bart/config.ts";
import { bartFamily } from "../models/bart/family.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bertFamily } from "../models/bert/family.ts";
import { gpt2Config } from "../models/gpt2/config.ts";
import { gpt2Family } from "../models/gpt2/family.ts";

const sizes = { vocabSize: 40, hiddenSize: 8, numAttentionHeads: 2, maxPositionEmbeddings: 16 };

export const smallBert = bertConfig({ ...sizes, numHiddenLayers: 3, intermediateSize: 16 });
export const smallGpt2 = gpt2Config({ ...sizes, numHiddenLayers: 2 });
export const smallBart = bartConfig({
  ...{ ...sizes, numHiddenLayers: 2, intermediateSize: 16 },
  ...{ numDecoderLayers: 2, numDecoderAttentionHeads: 2, decoderIntermediateSize: 16 },
});
export const smallAlbert = (change: Parameters<typeof albertConfig>[0] = {}) =>
  albertConfig({ ...sizes, embeddingSize: 4, numHiddenLayers: 4, intermediateSize: 16, ...change });

export { albertFamily, bartFamily, bertFamily, gpt2Family };
