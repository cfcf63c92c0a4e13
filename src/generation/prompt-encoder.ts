import { DataError, FirthError } from "../base/errors.ts";
import type { Framing } from "../models/framing.ts";
import { frameOf } from "../objectives/frame.ts";
import type { SpecialTokenIds, Tokenizer } from "../tokenizers/tokenizer.ts";
import { joinTokens } from "./join-tokens.ts";
import type { WritingNetwork } from "./network.ts";
import type { WritingPrompt } from "./writing-rows.ts";

/** A text, or its ids with all special tokens that belong there. */
export type PromptInput = string | ArrayLike<number>;

/** What turns text into prompts. */
export interface PromptEncoding {
  readonly tokenizer: Tokenizer;
  /** How the model's sources are framed, where it has sources. */
  readonly framing: Framing;
  /** Whether prompts that are gone on from begin with the token that begins texts; an empty one always does. */
  readonly startToken: boolean;
}

/**
 * The id that texts begin with: what they begin with by the tokenizer's rules, or else the token that ends texts.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN
 */
export function startTokenOf({ bos, cls, eos, sep }: SpecialTokenIds, where: string): number {
  const start = bos ?? cls ?? eos ?? sep;
  if (start !== undefined) return start;
  const message = "the tokenizer has no token that begins or ends texts, which an empty prompt needs. Write a prompt.";
  throw new FirthError(message, { code: "TOKENIZER_LACKS_TOKEN", path: where });
}

/** Tokens that stand before what is written, where it is written behind them. */
export function promptLength({ order }: WritingNetwork, { source, tokens }: WritingPrompt): number {
  return tokens.length + (order === "maskByMask" ? source.length : 0);
}

/**
 * Prompts as a network takes them: tokens to go on from, or a source.
 * @throws {DataError} PROMPT_TOO_LONG naming the prompt
 */
export async function encodePrompts(
  network: WritingNetwork,
  inputs: readonly PromptInput[],
  { tokenizer, framing, startToken }: PromptEncoding,
): Promise<WritingPrompt[]> {
  const texts = inputs.filter((input) => typeof input === "string");
  const encoded = (await tokenizer.encodeIds(texts)).values();
  const none = new Int32Array();
  const join = network.order === "leftToRight" ? undefined : frameOf(framing, tokenizer, "generate").join;
  return inputs.map((input, i): WritingPrompt => {
    const path = `prompts[${i}]`;
    const isText = typeof input === "string";
    const ids = isText ? encoded.next().value!.ids : Int32Array.from(input);
    const begins = (isText && startToken) || ids.length === 0;
    const prompt: WritingPrompt =
      join === undefined
        ? { source: none, tokens: begins ? joinTokens([startTokenOf(tokenizer.special, path)], ids) : ids }
        : {
            source: isText ? join([ids]).tokens : ids,
            tokens: network.startTokenId === undefined ? none : Int32Array.of(network.startTokenId),
          };
    const room = network.order === "encoderDecoder" ? network.maxSourcePositions : network.maxPositions - 1;
    const length = network.order === "leftToRight" ? prompt.tokens.length : prompt.source.length;
    if (length <= room) return prompt;
    throw new DataError(`the prompt has ${length} tokens, the model room for ${room}. Shorten it.`, {
      code: "PROMPT_TOO_LONG",
      path,
      details: { length, room },
    });
  });
}
