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
  },
  (settings, tokenizer) => causalLanguageModeling({ ...settings, tokenizer }),
);
