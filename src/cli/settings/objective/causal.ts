import { choiceField } from "../../../formats/config-fields.ts";
import { causalLanguageModeling } from "../../../objectives/causal-language-modeling.ts";
import { objectiveChoice } from "./choice.ts";

/** GPT's objective. */
export const causalChoice = objectiveChoice(
  {
    direction: choiceField(["leftToRight", "rightToLeft"], {
      default: "leftToRight",
      doc: "Whether a token is predicted from those before or after it.",
    }),
    documents: choiceField(["separate", "joined"], {
      default: "separate",
      doc: "Runs of one document each, whose end is predicted; or all text as one stream, as GPT-2 learned from it.",
    }),
  },
  (settings, tokenizer) => causalLanguageModeling({ ...settings, tokenizer }),
);
