/** @file Texts with the special tokens that a family puts around them. */
import { FirthError } from "../base/errors.ts";
import type { FrameRole, FrameTemplate, Framing } from "../models/framing.ts";
import type { SpecialTokenIds, Tokenizer } from "../tokenizers/tokenizer.ts";
import { startId } from "./special-token.ts";

/** One text or two with special tokens. */
export interface FramedText {
  readonly tokens: Int32Array;
  /** Where the first text begins. */
  readonly firstStart: number;
  /** Where the second text begins; the number of tokens when there is none. */
  readonly secondStart: number;
  /** Token type from there on; 0 in families that do not tell segments apart. */
  readonly secondType: 0 | 1;
}

/** A framing with a tokenizer's ids. */
export interface Frame {
  /** Special tokens around one text, or around two. */
  overhead(numTexts: number): number;
  /** @param texts one or two, without special tokens */
  join(texts: readonly ArrayLike<number>[]): FramedText;
}

const roleIds: Readonly<Record<FrameRole, (special: SpecialTokenIds) => number | undefined>> = {
  cls: ({ cls }) => cls,
  sep: ({ sep }) => sep,
  start: startId,
  delimiter: ({ sep, eos }) => sep ?? eos,
  // A token of its own where the vocabulary has one.
  extract: (special) =>
    special.cls === startId(special) ? (special.eos ?? special.cls) : (special.cls ?? special.eos),
};

/**
 * A framing with the ids of a tokenizer.
 * @throws {FirthError} TOKENIZER_LACKS_TOKEN, naming what is missing
 */
export function frameOf(framing: Framing, { special }: Pick<Tokenizer, "special">, where: string): Frame {
  const roles = [...new Set([...framing.single, ...framing.pair])].filter((item) => typeof item === "string");
  const ids = new Map<FrameRole, number>();
  for (const role of roles) {
    const id = roleIds[role](special);
    if (id !== undefined) ids.set(role, id);
  }
  const lacking = roles.filter((role) => !ids.has(role));
  if (lacking.length > 0) {
    const message = `the tokenizer has no token for ${lacking.join(", ")}, which the model's sequences need. Train it with one.`;
    throw new FirthError(message, { code: "TOKENIZER_LACKS_TOKEN", path: where, details: { lacking } });
  }
  const templateFor = (count: number): FrameTemplate => (count === 1 ? framing.single : framing.pair);
  return {
    overhead: (count) => templateFor(count).length - count,
    join: (texts) => {
      const template = templateFor(texts.length);
      const length = texts.reduce((sum, text) => sum + text.length, template.length - texts.length);
      const tokens = new Int32Array(length);
      const starts = [0, length];
      let at = 0;
      for (const item of template) {
        if (typeof item === "string") {
          tokens[at++] = ids.get(item)!;
          continue;
        }
        starts[item] = at;
        tokens.set(texts[item]!, at);
        at += texts[item]!.length;
      }
      const [firstStart, secondStart] = starts as [number, number];
      return { tokens, firstStart, secondStart, secondType: texts.length > 1 && framing.typesSecond ? 1 : 0 };
    },
  };
}

/** Token type ids of a text: 0, and from its second segment on that of the segment. */
export function tokenTypes({ tokens, secondStart, secondType }: Omit<FramedText, "firstStart">): Int32Array {
  return new Int32Array(tokens.length).fill(secondType, secondStart);
}
