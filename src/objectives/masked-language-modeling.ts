/** @file BERT's objective: predict chosen words from their context and, if asked, how two segments relate. */
import { maskedTextObjective } from "./masked-text.ts";
import { corruptionOf, type MaskedTextOptions } from "./masked-text-option.ts";
import type { PretrainingObjective } from "./objective.ts";
import { choiceIssues, countIssues } from "./option-issue.ts";
import { type MaskingUnit, maskTokens } from "./token-masking.ts";

export interface MaskedLanguageModelingOptions extends MaskedTextOptions {
  /** What is masked together: `token` by default. */
  readonly unit?: MaskingUnit;
  /** Longest n-gram with `unit: "ngram"`: 3 by default. */
  readonly maxNgram?: number;
}

/** The objective with the options it was made from. */
export interface MaskedLanguageModeling extends PretrainingObjective {
  readonly options: MaskedLanguageModelingOptions;
}

/**
 * Masked language modelling as BERT, RoBERTa and ALBERT have it: tokens, whole words or n-grams, drawn anew every epoch or
 * once; with next-sentence or sentence-order prediction, or runs that fill their rows.
 *
 * Terms and metrics are those of {@link maskedTextObjective}.
 * @throws {ConfigError} all problems together; {FirthError} TOKENIZER_LACKS_TOKEN
 * @source Devlin et al. 2019 §3.1, arXiv:1810.04805; Liu et al. 2019 §4, arXiv:1907.11692 (dynamic masks; FULL-SENTENCES:
 * documents joined, boundary sentence); Lan et al. 2020 §3.1, arXiv:1909.11942 (n-grams, sentence order)
 */
export function maskedLanguageModeling(options: MaskedLanguageModelingOptions): MaskedLanguageModeling {
  const { tokenizer: _, ...settings } = options;
  const { unit = "token", maxNgram = 3 } = options;
  const name = "maskedLanguageModeling";
  const corruption = corruptionOf(name, options, [
    ...choiceIssues("unit", unit, ["token", "wholeWord", "ngram"]),
    ...countIssues("maxNgram", maxNgram),
  ]);
  const masking = { ...corruption, unit, maxNgram };
  const objective = maskedTextObjective({
    ...{ name, options, corruption, settings },
    mask: ({ tokens, wordStarts }, vocabulary, _place, random) =>
      maskTokens(tokens, wordStarts, masking, vocabulary, random),
  });
  return { ...objective, options };
}
