import { DataError } from "../base/errors.ts";
import type { Framing } from "../models/framing.ts";
import { frameOf } from "../objectives/frame.ts";
import { startToken } from "../objectives/special-token.ts";
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
export function startTokenOf(special: SpecialTokenIds, where: string): number {
  return startToken(special, where, "An empty prompt needs it: write a prompt.");
}

/** Tokens that stand before what is written, where it is written behind them. */
export function promptLength({ order }: WritingNetwork, { source, tokens }: WritingPrompt): number {
  return tokens.length + (order === "maskByMask" ? source.length : 0);
}

/**
 * Refuses ids that a network has no vector for: engines would read whatever lies there.
 * @throws {DataError} PROMPT_TOKEN_UNKNOWN
 */
export function requireKnownIds({ vocabSize }: WritingNetwork, ids: ArrayLike<number>, path: string): void {
  for (let place = 0; place < ids.length; place++) {
    const id = ids[place]!;
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
    const message = `token ${place} is ${id}; the model knows whole numbers from 0 to ${vocabSize - 1}. Use the model's own tokenizer.`;
    throw new DataError(message, { code: "PROMPT_TOKEN_UNKNOWN", path, details: { place, id, vocabSize } });
  }
}

/** Refuses a prompt that there is nothing in or no room for. @throws {DataError} PROMPT_EMPTY, PROMPT_TOO_LONG */
function requireFit(network: WritingNetwork, { source, tokens }: WritingPrompt, path: string): void {
  const room = network.order === "encoderDecoder" ? network.maxSourcePositions : network.maxPositions - 1;
  const length = network.order === "leftToRight" ? tokens.length : source.length;
  if (network.order === "encoderDecoder" && length === 0) {
    const message = "the prompt has no tokens for the encoder to read. Give a text, or ids with their special tokens.";
    throw new DataError(message, { code: "PROMPT_EMPTY", path });
  }
  if (length <= room) return;
  throw new DataError(`the prompt has ${length} tokens, the model room for ${room}. Shorten it.`, {
    code: "PROMPT_TOO_LONG",
    path,
    details: { length, room },
  });
}

/**
 * Prompts as a network takes them: tokens to go on from, or a source.
 * @throws {DataError} PROMPT_TOO_LONG, PROMPT_EMPTY, PROMPT_TOKEN_UNKNOWN, naming the prompt
 */
export async function encodePrompts(
  network: WritingNetwork,
  inputs: readonly PromptInput[],
  { tokenizer, framing, startToken: beginsTexts }: PromptEncoding,
): Promise<WritingPrompt[]> {
  const texts = inputs.filter((input) => typeof input === "string");
  const encoded = (await tokenizer.encodeIds(texts)).values();
  const none = new Int32Array();
  const join = network.order === "leftToRight" ? undefined : frameOf(framing, tokenizer, "generate").join;
  return inputs.map((input, i): WritingPrompt => {
    const path = `prompts[${i}]`;
    const isText = typeof input === "string";
    const given = isText ? encoded.next().value!.ids : input;
    requireKnownIds(network, given, path);
    const ids = Int32Array.from(given);
    const begins = (isText && beginsTexts) || ids.length === 0;
    const prompt: WritingPrompt =
      join === undefined
        ? { source: none, tokens: begins ? joinTokens([startTokenOf(tokenizer.special, path)], ids) : ids }
        : {
            source: isText ? join([ids]).tokens : ids,
            tokens: network.startTokenId === undefined ? none : Int32Array.of(network.startTokenId),
          };
    requireFit(network, prompt, path);
    return prompt;
  });
}
