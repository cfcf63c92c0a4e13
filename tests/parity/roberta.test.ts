import { robertaFamily } from "../../src/models/roberta/family.ts";
import { describeEncoderParity } from "../support/encoder-parity.ts";

describeEncoderParity(robertaFamily, {
  pretraining: ["masked-lm", "masked-lm-relu"],
  classification: [["sequence-classification", "sequence-classification"]],
});
