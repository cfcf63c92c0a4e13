import { describe, expect, it } from "vitest";
import { Bpe } from "./bpe.ts";
import type { Merge } from "./bpe-file.ts";
import { byteCharacters } from "./byte-alphabet.ts";
import { library } from "./library.ts";
import type { LibraryTokenizer } from "./library-tokenizer.ts";
import { fixture, type TrainedCase } from "./testing.ts";
import { type TokenizerTraining, tokenizerPresets } from "./train.ts";
import { Unigram } from "./unigram.ts";

const byteOrder = [...byteCharacters].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
const mergesOf = ({ merges }: TrainedCase): Merge[] => merges.map((line) => line.split(" ") as [string, string]);

function bpe(preset: "gpt2" | "roberta" | "openai-gpt", trained: TrainedCase, tokens: readonly string[]): Bpe {
  const { kind, options } = tokenizerPresets[preset] as TokenizerTraining;
  return Bpe.fromVocabulary(tokens, mergesOf(trained), { ...(options as object), byteLevel: kind === "byteBpe" });
}

const gpt2 = fixture.byteBpe.default!;
const roberta = fixture.byteBpe.roberta!;
const gpt = fixture.bpe.gpt!;
const start = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

/** Tokenizers of the vocabularies that transformers' were made of. */
const tokenizers: Readonly<Record<string, LibraryTokenizer>> = {
  gpt2: bpe("gpt2", gpt2, ["<|endoftext|>", ...byteOrder, ...gpt2.tokens.split(" ")]),
  roberta: bpe("roberta", roberta, [...start, ...byteOrder, ...roberta.tokens.split(" ")]),
  "openai-gpt": bpe("openai-gpt", gpt, gpt.tokens.split(" ")),
  albert: Unigram.fromVocabulary(fixture.unigram.all!.pieces, { nfkc: false }),
};

describe("tokenizers of transformers", () => {
  for (const [family, rows] of Object.entries(fixture.families)) {
    it(`${family}: same ids, places, pairs, types and text (catches a wrong template, pre-tokenizer or decoder)`, async () => {
      const tokenizer = tokenizers[family]!;
      const native = library().Tokenizer.fromString(tokenizer.fileText);
      const all = rows.map(({ text }) => text);
      const [full, fast] = [await tokenizer.encodeBatch(all), await tokenizer.encodeIds(all)];
      for (const [index, row] of rows.entries()) {
        const { text, ids, offsets, pair, types, decoded } = row;
        const single = await native.encode(text, null, { addSpecialTokens: true });
        const double = await native.encode(text, "the reader", { addSpecialTokens: true });
        expect(single.getIds(), text).toEqual(ids);
        expect(single.getOffsets(), text).toEqual(offsets);
        expect([double.getIds(), double.getTypeIds()], text).toEqual([pair, types]);
        expect(await tokenizer.decode(ids), text).toBe(decoded);
        const { cls, sep } = tokenizer.special;
        const inner = cls === undefined || sep === undefined ? ids : ids.slice(1, -1);
        expect(Array.from(full[index]!.ids), text).toEqual(inner);
        expect(Array.from(fast[index]!.ids), text).toEqual(inner);
      }
      expect(rows.length).toBeGreaterThan(15);
    });
  }

  it("have the special tokens of their families", () => {
    const special = Object.fromEntries(Object.entries(tokenizers).map(([name, { special }]) => [name, special]));
    const none = undefined;
    expect(special).toEqual({
      gpt2: { pad: 0, unk: -1, cls: none, sep: none, mask: none, bos: 0, eos: 0 },
      roberta: { pad: 1, unk: 3, cls: 0, sep: 2, mask: 4, bos: 0, eos: 2 },
      "openai-gpt": { pad: 0, unk: 0, cls: none, sep: none, mask: none, bos: none, eos: none },
      albert: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4, bos: 2, eos: 3 },
    });
  });
});
