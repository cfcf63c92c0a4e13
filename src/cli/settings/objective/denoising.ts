import { choiceField, nullableField, numberField, probabilityField } from "../../../formats/config-fields.ts";
import { denoising } from "../../../objectives/denoising.ts";
import { objectiveChoice } from "./choice.ts";

const noise = (doc: string) => nullableField(probabilityField({ doc }));

/** BART's objective. */
export const denoisingChoice = objectiveChoice(
  {
    sentencePermutation: noise("Share of the sentences that change places; null with all: 1."),
    documentRotation: noise("Probability that a text begins with another of its tokens."),
    textInfilling: noise("Share of the tokens in spans that one [MASK] each replaces; null with all: 0.3."),
    tokenMasking: noise("Share of the tokens replaced by [MASK]."),
    tokenDeletion: noise("Share of the tokens left out."),
    spanLength: numberField({ default: 3, min: 0.01, max: 100, doc: "Mean length of a span (Poisson)." }),
    unit: choiceField(["token", "wholeWord"], { default: "token", doc: "What spans are counted in." }),
  },
  ({ sentencePermutation, documentRotation, textInfilling, tokenMasking, tokenDeletion, ...settings }, tokenizer) => {
    const noises = { sentencePermutation, documentRotation, textInfilling, tokenMasking, tokenDeletion };
    const given = Object.entries(noises).filter(([, share]) => share !== null);
    return denoising({ ...settings, ...Object.fromEntries(given), tokenizer });
  },
);
