import { ernieFamily } from "../../src/models/ernie/family.ts";
import { describeEncoderParity } from "../support/encoder-parity.ts";

describeEncoderParity(ernieFamily, {
  pretraining: ["pretraining", "masked-lm-task-types"],
  classification: [["sequence-classification", "sequence-classification"]],
});
