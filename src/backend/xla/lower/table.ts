import type { OpName } from "../../../ir/graph.ts";
import { activationRules } from "./activation.ts";
import { attentionRules } from "./attention.ts";
import type { Rule } from "./context.ts";
import { elementwiseRules } from "./elementwise.ts";
import { indexingRules } from "./indexing.ts";
import { lossRules } from "./loss.ts";
import { movementRules } from "./movement.ts";
import { normalizationRules } from "./normalization.ts";
import { productRules } from "./product.ts";
import { randomRules } from "./random.ts";
import { recurrentRules } from "./recurrent.ts";
import { controlRules } from "./scan.ts";

/** How every operation is lowered. */
export const rules: { readonly [P in OpName]: Rule<P> } = {
  ...elementwiseRules,
  ...movementRules,
  ...productRules,
  ...indexingRules,
  ...randomRules,
  ...normalizationRules,
  ...activationRules,
  ...attentionRules,
  ...lossRules,
  ...recurrentRules,
  ...controlRules,
};
