import { ConfigError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { TableSource } from "../data/table.ts";
import { joinTokens } from "../generation/join-tokens.ts";
import {
  likeliest,
  type Normalization,
  type OptionLikelihood,
  type OptionQuestion,
  optionLikelihoods,
} from "../generation/option-likelihood.ts";
import { OptionScorer } from "../generation/option-scorer.ts";
import { type Perplexity, type PerplexityOptions, perplexityOf } from "../generation/perplexity.ts";
import { startTokenOf } from "../generation/prompt-encoder.ts";
import { answerOf, drawShots, type PromptRow, type PromptTemplate, promptFor } from "../generation/prompt-template.ts";
import { requireScoring, TokenScorer, type TokenScorerOptions } from "../generation/token-scorer.ts";
import { type GeneratorOptions, openWriter } from "./generate.ts";
import type { PretrainedModel } from "./model.ts";

export type { Normalization, OptionLikelihood, OptionQuestion, Perplexity, PromptTemplate };

export interface LikelihoodOptions extends GeneratorOptions {
  /** Texts, or questions with all their options, computed together; 8 by default. */
  readonly batchSize?: number | undefined;
  /** Whether texts begin with the token that begins texts; false by default, as transformers' GPT-2. */
  readonly startToken?: boolean | undefined;
}

/** Opens a model, gives work what scorers need, and puts everything away. */
async function withWriter<T>(
  model: PretrainedModel,
  options: LikelihoodOptions,
  work: (scoring: TokenScorerOptions) => Promise<T>,
): Promise<T> {
  const { batchSize = 8 } = options;
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
    const message = `must be a whole number ≥ 1; got ${batchSize}.`;
    throw new ConfigError("likelihood", [{ path: "batchSize", message, code: "CONFIG_RANGE" }]);
  }
  // Scorers have programs of their own.
  const { program: place, dispose } = await openWriter(model, options, (writer) => {
    return { ...writer, dispose: async () => undefined };
  });
  try {
    return await work({ ...place, padId: model.tokenizer.special.pad, batchSize });
  } finally {
    await dispose();
  }
}

/**
 * Perplexity of a text by a left-to-right network, in overlapping windows where it is longer than the network's room.
 * @throws {ConfigError} for wrong options; {DataError} TEXT_TOO_SHORT; {FirthError} MODEL_CANNOT_SCORE
 */
export function perplexity(
  model: PretrainedModel,
  text: string,
  options: LikelihoodOptions & PerplexityOptions = {},
): Promise<Perplexity> {
  return withWriter(model, options, async (scoring) => {
    const { network } = scoring;
    requireScoring(network);
    if (network.order !== "leftToRight") {
      const message = "the model does not foretell a text by itself; it writes for a source. Use GPT.";
      throw new ConfigError("perplexity", [{ path: "model", message, code: "MODEL_CANNOT_SCORE" }]);
    }
    const { tokenizer } = model;
    const [encoded] = await tokenizer.encodeIds([text]);
    const start = options.startToken === true ? [startTokenOf(tokenizer.special, "perplexity")] : [];
    const tokens = joinTokens(start, encoded!.ids);
    const scorer = new TokenScorer(scoring);
    try {
      return await perplexityOf(scorer, network, { tokens, numBytes: Buffer.byteLength(text) }, options);
    } finally {
      await scorer.dispose();
    }
  });
}

/**
 * How likely each option is behind its context; `likeliest` picks one. What contexts and options begin with alike is
 * computed once.
 * @throws {ConfigError} for wrong options; {DataError} OPTION_EMPTY, PROMPT_TOO_LONG; {FirthError} MODEL_CANNOT_SCORE
 */
export function likelihoods(
  model: PretrainedModel,
  questions: readonly OptionQuestion[],
  options: LikelihoodOptions = {},
): Promise<OptionLikelihood[][]> {
  const { startToken = false } = options;
  const encoding = { tokenizer: model.tokenizer, framing: model.family.framing, startToken };
  return withWriter(model, options, (scoring) =>
    optionLikelihoods(new OptionScorer(scoring), scoring.network, questions, encoding),
  );
}

export interface PromptOptions extends LikelihoodOptions {
  /** Examples shown before each question; 0 by default. */
  readonly shots?: number | undefined;
  /** Where examples come from; needed where there are any. */
  readonly examples?: TableSource | undefined;
  /** Of the draw of examples; 0 by default. */
  readonly seed?: number | undefined;
  /** Most rows that are asked about, drawn from the seed; all by default. */
  readonly limit?: number | undefined;
}

/** What a network answered to one row. */
export interface PromptAnswer {
  /** Value of the likeliest answer. */
  readonly answer: string;
  readonly expected: string;
  readonly likelihoods: readonly OptionLikelihood[];
  /** Line of the row in its file, from 1. */
  readonly line: number;
}

export interface PromptResult {
  readonly accuracy: number;
  readonly numRows: number;
  readonly answers: readonly PromptAnswer[];
}

interface NumberedRow {
  readonly fields: PromptRow;
  readonly line: number;
}

async function rowsOf(source: TableSource): Promise<NumberedRow[]> {
  const rows: NumberedRow[] = [];
  for await (const { fields, line } of source.rows()) {
    const texts = Object.entries(fields).map(([name, value]) => [name, String(value)]);
    rows.push({ fields: Object.fromEntries(texts) as PromptRow, line });
  }
  return rows;
}

/**
 * Asks a network about the rows of a table without training it: the answer is the likeliest of the template's options.
 * @throws {ConfigError} for wrong options; {DataError} COLUMN_UNKNOWN, ANSWER_UNKNOWN, EXAMPLES_TOO_FEW, PROMPT_TOO_LONG
 * @source Brown et al. 2020 §2.4, arXiv:2005.14165
 */
export async function prompt(
  model: PretrainedModel,
  template: PromptTemplate,
  data: TableSource,
  options: PromptOptions = {},
): Promise<PromptResult> {
  const { shots = 0, examples, seed = 0, limit } = options;
  if (shots > 0 && examples === undefined) {
    const message = `must name the table of examples where shots are shown; got ${shots} shots.`;
    throw new ConfigError("prompt", [{ path: "examples", message, code: "CONFIG_MISSING" }]);
  }
  const shown =
    shots === 0
      ? []
      : drawShots(
          template,
          (await rowsOf(examples!)).map(({ fields }) => fields),
          shots,
          seed,
        );
  const all = await rowsOf(data);
  const chosen =
    limit === undefined || limit >= all.length ? all : new Random(seed, "rows").shuffle([...all]).slice(0, limit);
  const questions = chosen.map(({ fields }) => promptFor(template, shown, fields));
  const found = await likelihoods(model, questions, options);
  const values = [...template.options.keys()];
  const answers = chosen.map(
    ({ fields, line }, i): PromptAnswer => ({
      answer: values[likeliest(found[i]!, template.normalization)]!,
      expected: answerOf(template, fields),
      likelihoods: found[i]!,
      line,
    }),
  );
  const numRight = answers.filter(({ answer, expected }) => answer === expected).length;
  return { accuracy: numRight / Math.max(1, answers.length), numRows: answers.length, answers };
}
