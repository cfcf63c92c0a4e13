import { albertFamily } from "../../src/models/albert/family.ts";
import { describeEncoderParity } from "../support/encoder-parity.ts";

describeEncoderParity(albertFamily, {
  pretraining: [
    "pretraining",
    "masked-lm-two-groups",
    "masked-lm-unshared",
    "masked-lm-shared-attention",
    "masked-lm-shared-feed-forward",
  ],
  classification: [["sequence-classification", "sequence-classification"]],
});
