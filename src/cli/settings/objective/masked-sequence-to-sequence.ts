import {
  choiceField,
  integerField,
  nullableField,
  numberField,
  probabilityField,
} from "../../../formats/config-fields.ts";
import { maskedSequenceToSequence } from "../../../objectives/masked-sequence-to-sequence.ts";
import { objectiveChoice } from "./choice.ts";

/** MASS's objective. */
export const maskedSequenceToSequenceChoice = objectiveChoice(
  {
    fragmentShare: nullableField(
      numberField({ min: 0, max: 1, doc: "Length of the fragment as a share of its sentence; null: 0.5." }),
    ),
    fragmentTokens: nullableField(
      integerField({ min: 1, doc: "Length of the fragment in tokens, instead of a share." }),
    ),
    firstInput: choiceField(["mask", "previous"], {
      default: "mask",
      doc: "What the decoder is given first: [MASK], or the token before the fragment.",
    }),
    maskTokenProbability: probabilityField({ default: 0.8, doc: "Share of the fragment that becomes [MASK]." }),
    randomTokenProbability: probabilityField({ default: 0.1, doc: "Share that becomes a random token." }),
  },
  ({ fragmentShare, fragmentTokens, ...settings }, tokenizer) =>
    maskedSequenceToSequence({
      ...settings,
      tokenizer,
      ...(fragmentShare === null ? {} : { fragmentShare }),
      ...(fragmentTokens === null ? {} : { fragmentTokens }),
    }),
  ({ fragmentShare, fragmentTokens }) =>
    fragmentShare !== null && fragmentTokens !== null
      ? [
          {
            path: "fragmentTokens",
            message: "must be left out where fragmentShare is given.",
            code: "CONFIG_AMBIGUOUS",
          },
        ]
      : [],
);
