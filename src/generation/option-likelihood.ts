import { ConfigError, DataError } from "../base/errors.ts";
import type { Framing } from "../models/framing.ts";
import { frameOf } from "../objectives/frame.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { joinTokens } from "./join-tokens.ts";
import type { WritingNetwork } from "./network.ts";
import { commonStart, type QuestionText } from "./option-group.ts";
import { startTokenOf } from "./prompt-encoder.ts";
import type { ScoredText } from "./token-scorer.ts";

/** What likelihoods are divided by before they are compared. */
export const normalizations = ["none", "token", "character"] as const;
export type Normalization = (typeof normalizations)[number];

/** A context and the texts that may follow it. */
export interface OptionQuestion {
  readonly context: string;
  readonly options: readonly string[];
}

/** How likely a text is behind a context. */
export interface OptionLikelihood {
  readonly option: string;
  /** Sum of its tokens' logarithms of probabilities, in nats. */
  readonly logLikelihood: number;
  /** Over its tokens. */
  readonly perToken: number;
  /** Over its characters (code points). */
  readonly perCharacter: number;
  readonly numTokens: number;
}

/** What scores options' tokens: an `OptionScorer`, or a `TokenScorer`, which computes every text by itself. */
export interface OptionScoring {
  score(texts: readonly QuestionText[]): Promise<Float32Array[]>;
}

/** What turns contexts and options into tokens. */
export interface OptionEncoding {
  readonly tokenizer: Tokenizer;
  readonly framing: Framing;
  /** Whether contexts begin with the token that begins texts; an empty one always does. */
  readonly startToken: boolean;
}

/** The figure by which options are compared. */
export function comparedFigure(likelihood: OptionLikelihood, normalization: Normalization): number {
  if (normalization === "none") return likelihood.logLikelihood;
  return normalization === "token" ? likelihood.perToken : likelihood.perCharacter;
}

/** Number of the likeliest option; of equals the first. */
export function likeliest(likelihoods: readonly OptionLikelihood[], normalization: Normalization): number {
  if (!normalizations.includes(normalization)) {
    const message = `must be one of ${normalizations.join(", ")}; got ${JSON.stringify(normalization)}.`;
    throw new ConfigError("likelihood", [{ path: "normalization", message, code: "CONFIG_VALUE" }]);
  }
  const figures = likelihoods.map((likelihood) => comparedFigure(likelihood, normalization));
  return figures.indexOf(Math.max(...figures));
}

/**
 * How likely each option is behind its context. A left-to-right network reads both as one text, and the option's tokens are
 * those that the context alone does not begin with; an encoder reads the context, and its decoder's tokens are the framed
 * option's.
 * @throws {DataError} OPTIONS_MISSING, OPTION_EMPTY, PROMPT_TOO_LONG, naming the question
 */
export async function optionLikelihoods(
  scorer: OptionScoring,
  network: WritingNetwork,
  questions: readonly OptionQuestion[],
  { tokenizer, framing, startToken }: OptionEncoding,
): Promise<OptionLikelihood[][]> {
  const lacking = questions.findIndex(({ options }) => options.length === 0);
  if (lacking >= 0) {
    const path = `questions[${lacking}]`;
    throw new DataError("has no options. Give two or more.", { code: "OPTIONS_MISSING", path });
  }
  const pairs = questions.flatMap(({ context, options }, question) =>
    options.map((option) => ({ context, option, question })),
  );
  const isDecoder = network.order === "encoderDecoder";
  const contexts = await tokenizer.encodeIds(questions.map(({ context }) => context));
  const wholes = await tokenizer.encodeIds(pairs.map(({ context, option }) => (isDecoder ? option : context + option)));
  const join = isDecoder ? frameOf(framing, tokenizer, "likelihood").join : undefined;
  const texts = pairs.map(({ question }, i): QuestionText => {
    const path = `questions[${question}]`;
    const [whole, context] = [wholes[i]!.ids, contexts[question]!.ids];
    const text = ((): ScoredText => {
      if (join !== undefined) {
        const target = join([whole]).tokens;
        return { source: join([context]).tokens, tokens: joinTokens([network.startTokenId!], target), start: 1 };
      }
      const start = commonStart(context, whole);
      if (!startToken && start > 0) return { source: new Int32Array(), tokens: whole, start };
      const first = startTokenOf(tokenizer.special, path);
      return { source: new Int32Array(), tokens: joinTokens([first], whole), start: start + 1 };
    })();
    if (text.start >= text.tokens.length) {
      throw new DataError("an option adds no tokens to its context. Give every option a text.", {
        code: "OPTION_EMPTY",
        path,
      });
    }
    const rooms: readonly (readonly [number, number])[] = [
      [text.tokens.length - 1, network.maxPositions],
      [text.source.length, network.maxSourcePositions],
    ];
    for (const [length, room] of rooms) {
      if (length <= room) continue;
      throw new DataError(`has ${length} tokens, the model room for ${room}. Shorten it, or give fewer examples.`, {
        code: "PROMPT_TOO_LONG",
        path,
        details: { length, room },
      });
    }
    return { ...text, question };
  });
  const scores = await scorer.score(texts);
  const results: OptionLikelihood[][] = questions.map(() => []);
  for (const [i, { option, question }] of pairs.entries()) {
    const logLikelihood = scores[i]!.reduce((sum, score) => sum + score, 0);
    const numTokens = scores[i]!.length;
    results[question]!.push({
      option,
      logLikelihood,
      perToken: logLikelihood / numTokens,
      perCharacter: logLikelihood / Math.max(1, [...option].length),
      numTokens,
    });
  }
  return results;
}
