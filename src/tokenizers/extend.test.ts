import { expect, test } from "vitest";
import { extendTokenizer } from "./extend.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { Unigram } from "./unigram.ts";
import { WordPiece } from "./wordpiece.ts";

const words = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "inter",
  "##leu",
  "##kin",
  "in",
  "the",
  "干",
  "扰",
  "素",
  "a",
];
const base = WordPiece.fromVocabulary(words);
const read = async (tokenizer: Tokenizer, text: string) =>
  [...(await tokenizer.encodeIds([text]))[0]!.ids].map((id) => tokenizer.idToToken(id));

test("tokens are found as whole words, in any case where letters have none, and Chinese ones anywhere (bug: found inside other words)", async () => {
  const extended = await extendTokenizer(base, ["Interleukin", "干扰"]);
  expect(await read(extended, "the INTERLEUKIN in a")).toEqual(["the", "Interleukin", "in", "a"]);
  expect(await read(extended, "interleukininter")).toEqual(["[UNK]"]);
  expect(await read(extended, "干扰素")).toEqual(["干扰", "素"]);
  expect(await extended.decode([...(await extended.encodeIds(["干扰素 the"]))[0]!.ids])).toMatch(/干扰 ?素 the/);
  const inside = await extendTokenizer(base, ["leukin"], { wholeWords: false });
  expect(await read(inside, "interleukin")).toEqual(["inter", "leukin"]);
});

test("special tokens are no text: never masked, left out of decoded text (bug: masked as a word)", async () => {
  const extended = await extendTokenizer(base, ["<ctx>"], { special: true });
  const id = words.length;
  expect(extended.specialIds).toContain(id);
  expect(await read(extended, "the<ctx>a")).toEqual(["the", "<ctx>", "a"]);
  expect(await extended.decode([9, id, 13])).toBe("the a");
  const ordinary = await extendTokenizer(base, ["<ctx>"]);
  expect(ordinary.specialIds).not.toContain(id);
});

test("texts without them have the pieces that they had, of any kind of tokenizer (bug: a cache that knows nothing of them)", async () => {
  const pieces = [
    ["<unk>", 0],
    ["<pad>", 0],
    ["[CLS]", 0],
    ["[SEP]", 0],
    ["[MASK]", 0],
    ["\u2581the", -1],
    ["\u2581", -3],
    ["a", -3],
    ["b", -3],
  ] as const;
  const unigram = Unigram.fromVocabulary(pieces.map(([piece, score]) => [piece, score]));
  for (const tokenizer of [base, unigram]) {
    const extended = await extendTokenizer(tokenizer, ["Zebra"]);
    for (const text of ["the a", "ab the", "the Zebras a", ""]) {
      const plain = text.replace("Zebras", "ab");
      expect(await read(extended, plain)).toEqual(await read(tokenizer, plain));
    }
    expect((await read(extended, "the Zebra a")).filter((token) => token === "Zebra")).toHaveLength(1);
    expect(extended.hash).not.toBe(tokenizer.hash);
  }
});
