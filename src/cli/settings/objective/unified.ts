import {
  choiceField,
  integerField,
  nullableField,
  numberField,
  probabilityField,
} from "../../../formats/config-fields.ts";
import { unifiedLanguageModeling } from "../../../objectives/unified-language-modeling.ts";
import { objectiveChoice } from "./choice.ts";

const share = (usual: number, doc: string) => numberField({ default: usual, min: 0, doc });

/** UniLM's objective. */
export const unifiedChoice = objectiveChoice(
  {
    bidirectional: share(2, "Share of pairs read from both sides, in proportion to the other three."),
    sequenceToSequence: share(2, "Share of pairs whose second text is read from left to right, after the first."),
    leftToRight: share(1, "Share of texts read from left to right."),
    rightToLeft: share(1, "Share of texts read from right to left."),
    maskProbability: probabilityField({ default: 0.15, doc: "Share of the tokens that is predicted." }),
    spanProbability: probabilityField({ default: 0.2, doc: "How often two or three tokens are chosen as one." }),
    maxPredictionsPerSequence: nullableField(integerField({ min: 1, doc: "Most predicted tokens in a row." })),
    maskTokenProbability: probabilityField({ default: 0.8, doc: "Share of these that becomes [MASK]." }),
    randomTokenProbability: probabilityField({ default: 0.1, doc: "Share that becomes a random token." }),
    masking: choiceField(["dynamic", "static"], { default: "dynamic", doc: "Masks anew every epoch, or once." }),
  },
  (
    { bidirectional, sequenceToSequence, leftToRight, rightToLeft, maxPredictionsPerSequence, ...settings },
    tokenizer,
  ) =>
    unifiedLanguageModeling({
      ...settings,
      tokenizer,
      mixture: { bidirectional, sequenceToSequence, leftToRight, rightToLeft },
      ...(maxPredictionsPerSequence === null ? {} : { maxPredictionsPerSequence }),
    }),
  ({ bidirectional, sequenceToSequence, leftToRight, rightToLeft }) =>
    bidirectional + sequenceToSequence + leftToRight + rightToLeft > 0
      ? []
      : [{ path: "bidirectional", message: "or another share must be above 0; got none.", code: "CONFIG_RANGE" }],
);
