import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Bpe } from "./bpe.ts";
import { fixture, hostile } from "./testing.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { Unigram } from "./unigram.ts";
import { WordPiece } from "./wordpiece.ts";

const texts = fixture.texts.all!;
const kinds: [string, () => Promise<Tokenizer>][] = [
  ["bytes", () => Bpe.train(texts, { vocabSize: 400 })],
  ["characters", () => Bpe.train(texts, { vocabSize: 400, byteLevel: false })],
  ["characters and bytes", () => Bpe.train(texts, { vocabSize: 700, byteLevel: false, byteFallback: true })],
  ["unigram", () => Unigram.train(texts, { vocabSize: 300 })],
  ["unigram and bytes", () => Unigram.train(texts, { vocabSize: 600, byteFallback: true })],
  ["wordpiece", () => WordPiece.train(texts, { vocabSize: 400 })],
];

/** All parts that a stream gives, the held-back rest last. */
function partsOf(tokenizer: Tokenizer, ids: ArrayLike<number>): string[] {
  const stream = tokenizer.stream();
  const parts = Array.from(ids, (id) => stream.push(id));
  return [...parts, stream.end()];
}

for (const [name, make] of kinds) {
  describe(`stream of ${name}`, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = await make();
    });

    it("gives in parts what decode gives at once, for hostile text (catches a space lost between parts)", async () => {
      await fc.assert(
        fc.asyncProperty(hostile, async (text) => {
          const [encoding] = await tokenizer.encodeIds([text]);
          expect(partsOf(tokenizer, encoding!.ids).join("")).toBe(await tokenizer.decode(encoding!.ids));
        }),
        { numRuns: 400 },
      );
    });

    it("never tells half a character before the end (catches a replacement character in the middle)", async () => {
      const text = "the 🧠 reader 한국 𠀀";
      const [encoding] = await tokenizer.encodeIds([text]);
      const parts = partsOf(tokenizer, encoding!.ids);
      for (const part of parts) expect(part).not.toContain("\ufffd");
    });
  });
}

describe("stream of bytes", () => {
  let tokenizer: Bpe;
  beforeAll(async () => {
    tokenizer = await Bpe.train(texts, { vocabSize: 300 });
  });
  const idsOf = (...bytes: string[]): number[] => bytes.map((token) => tokenizer.tokenToId(token)!);

  it("holds back the bytes of an emoji until the last one, and tells ids of any order as decode does", async () => {
    // 😀 is F0 9F 98 80.
    const emoji = idsOf("ð", "Ł", "ĺ", "Ģ");
    expect(partsOf(tokenizer, emoji)).toEqual(["", "", "", "😀", ""]);
    expect(partsOf(tokenizer, emoji.slice(0, 2))).toEqual(["", "", "\ufffd"]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 299 }), { maxLength: 20 }), async (ids) => {
        expect(partsOf(tokenizer, ids).join("")).toBe(await tokenizer.decode(ids));
      }),
      { numRuns: 300 },
    );
  });

  it("leaves out special tokens unless asked for them, and begins anew after its end", () => {
    const ids = [...idsOf("a"), tokenizer.special.eos!, ...idsOf("b")];
    expect(partsOf(tokenizer, ids).join("")).toBe("ab");
    const stream = tokenizer.stream({ keepSpecialTokens: true });
    expect(ids.map((id) => stream.push(id)).join("")).toBe("a<|endoftext|>b");
    stream.push(idsOf("ð")[0]!);
    expect(stream.end()).toBe("\ufffd");
    expect(stream.push(idsOf("a")[0]!)).toBe("a");
  });
});
