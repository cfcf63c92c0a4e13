import { bertFamily } from "../../src/models/bert/family.ts";
import { describeEncoderParity } from "../support/encoder-parity.ts";

describeEncoderParity(bertFamily, {
  pretraining: ["pretraining", "masked-lm-gelu-new", "masked-lm-relu"],
  classification: [
    ["sequence-classification", "sequence-classification"],
    ["sequence-classification-sharded", "sequence-classification"],
  ],
});
