/** @file What several tests of tokenizers share. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect } from "vitest";
import type { LibraryTokenizer } from "./library-tokenizer.ts";
import type { Encoding, Tokenizer } from "./tokenizer.ts";

/** Hostile text: any code units, combining marks, scripts with special rules, special tokens, control characters. */
export const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.string({ unit: "grapheme", maxLength: 8 }),
      fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 4 }).map((units) => String.fromCharCode(...units)),
      fc.constantFrom(
        "the ",
        "[MASK]",
        "[UNK]x",
        "<|endoftext|>",
        "'ll don't 's",
        "\u2581x",
        " \u0301a",
        "<0x41>",
        "``''",
        "e\u0301",
        "ΟΔΥΣΣΕΥΣ",
        "İ",
        "日本",
        "𠀀b",
        "😀",
        "\u0000",
        "\u200d",
        "\ufffd",
      ),
      fc.constantFrom(
        "\u302e\u0301a",
        "नमस्ते",
        "한국어",
        "\u1d15e\u0345",
        "ﬁne",
        "\ud800",
        "\udc00a",
        "\u00a0",
        "\u2028",
        "—",
        "¿",
        "$",
      ),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(""));

/**
 * Encodes texts in all ways; ids and beginnings of words must be those of the library alone.
 * @returns the encodings with places
 */
export async function expectLibraryIds(
  tokenizer: Tokenizer,
  library: LibraryTokenizer,
  texts: readonly string[],
): Promise<Encoding[]> {
  const [fast, slow, full] = await Promise.all([
    tokenizer.encodeIds(texts),
    library.encodeIds(texts),
    tokenizer.encodeBatch(texts),
  ]);
  for (const [index, { ids, wordStarts }] of slow.entries()) {
    const text = JSON.stringify(texts[index]);
    expect(Array.from(fast[index]!.ids), text).toEqual(Array.from(ids));
    expect(Array.from(fast[index]!.wordStarts), text).toEqual(Array.from(wordStarts));
    expect(Array.from(full[index]!.ids), text).toEqual(Array.from(ids));
  }
  return full;
}

/** Where the words of an encoding begin, by their numbers: 1 for a first piece. */
export function startsOf({ wordIds }: Encoding): number[] {
  return Array.from(wordIds, (word, i) => (i === 0 || word !== wordIds[i - 1] ? 1 : 0));
}

/** What the Rust trainers and transformers made; see tools/golden/tokenizer.py. */
export interface TokenizerFixture {
  readonly texts: Readonly<Record<string, string[]>>;
  readonly byteBpe: Readonly<Record<string, TrainedCase>>;
  readonly bpe: Readonly<Record<string, TrainedCase & { readonly order: string[] }>>;
  readonly unigram: Readonly<Record<string, Omit<TrainedCase, "tokens" | "merges"> & { pieces: [string, number][] }>>;
  readonly families: Readonly<Record<string, EncodedText[]>>;
  readonly sentencePiece: {
    readonly model: string;
    readonly plain: { readonly text: string; readonly ids: number[] }[];
    readonly albert: { readonly text: string; readonly ids: number[] }[];
  };
}

export interface TrainedCase {
  /** Which of the texts. */
  readonly texts: string;
  /** The trainer's options under their names in Python. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly merges: string[];
  readonly tokens: string;
}

/** A text as transformers encodes it, special tokens included. */
export interface EncodedText {
  readonly text: string;
  readonly ids: number[];
  /** In code points. */
  readonly offsets: [number, number][];
  /** With the second text `the reader`. */
  readonly pair: number[];
  readonly types: number[];
  readonly decoded: string;
}

export const fixture = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/tokenizers.json", import.meta.url), "utf8"),
) as TokenizerFixture;

/** Options under Firth's names. */
export function camelCase(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const name = (key: string): string => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key === "n_sub_iterations" ? "numSubIterations" : name(key), value]),
  );
}
