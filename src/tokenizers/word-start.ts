import { byteCharacters } from "./byte-alphabet.ts";
import { isRecord, type TokenizerFile } from "./tokenizer-file.ts";

/** For each piece, 1 where it begins a word, else 0. */
export type WordStarts = (ids: ArrayLike<number>) => Uint8Array;

/** Stands for a space in the pieces of SentencePiece. */
export const METASPACE = "\u2581";

/** Whether a part of a tokenizer file is, or is a sequence with, a component of some type. */
export function hasComponent(part: unknown, type: string): boolean {
  if (Array.isArray(part)) return part.some((item) => hasComponent(item, type));
  if (!isRecord(part)) return false;
  return (
    part.type === type ||
    [part.pretokenizers, part.decoders, part.normalizers, part.processors].some((list) => hasComponent(list, type))
  );
}

/** Characters of byte-level tokens that stand for white space. */
const whiteBytes = new Set([0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20].map((byte) => byteCharacters[byte]!));

/**
 * How the pieces of a tokenizer tell where words begin, where they carry their white space themselves: a word begins the
 * text, or behind white space. Undefined where words are what the pre-tokenizer makes of a text.
 */
export function wordStartRule(file: TokenizerFile): WordStarts | undefined {
  const { pre_tokenizer: preTokenizer, decoder } = file.json;
  const uses = (type: string): boolean => hasComponent(preTokenizer, type) || hasComponent(decoder, type);
  const byteLevel = uses("ByteLevel");
  if (!byteLevel && !uses("Metaspace")) return undefined;
  const space = byteLevel ? byteCharacters[0x20]! : METASPACE;
  const special = new Set(file.addedTokens.map(({ id }) => id));
  // An unknown character may stand inside a word.
  const model = isRecord(file.json.model) ? file.json.model : {};
  if (typeof model.unk_id === "number") special.delete(model.unk_id);
  const begins = new Uint8Array(file.tokens.length);
  const ends = new Uint8Array(file.tokens.length);
  file.tokens.forEach((token, id) => {
    if (token === undefined || token === "") return;
    const [first] = token;
    const last = token.at(-1)!;
    begins[id] = special.has(id) || first === space || (byteLevel && whiteBytes.has(first!)) ? 1 : 0;
    // A space belongs to the word behind it, also where it is a piece of its own.
    ends[id] = special.has(id) || (byteLevel && last !== space && whiteBytes.has(last)) ? 1 : 0;
  });
  return (ids) => {
    const starts = new Uint8Array(ids.length);
    for (let i = 0; i < ids.length; i++) {
      starts[i] = i === 0 || begins[ids[i]!] === 1 || ends[ids[i - 1]!] === 1 ? 1 : 0;
    }
    return starts;
  };
}
