import { describe, expect, it } from "vitest";
import { bertFraming, robertaFraming } from "../models/framing.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { encodeTexts, longestFirst } from "./encode-text.ts";
import { testTokenizer } from "./testing.ts";

const reading = (tokenizer: Tokenizer, maxSeqLength: number) => ({ tokenizer, maxSeqLength, framing: bertFraming });
const never = (): never => {
  throw new Error("empty");
};

describe("longestFirst", () => {
  it.each([
    [3, 4, 7, [3, 4]],
    [10, 2, 8, [6, 2]],
    [2, 10, 8, [2, 6]],
    [10, 10, 7, [3, 4]],
    [10, 9, 7, [4, 3]],
    [5, 3, 7, [4, 3]],
    [9, 0, 4, [4, 0]],
  ])("%i and %i in %i places (catches cutting the shorter text, or one too many)", (first, second, room, expected) => {
    expect(longestFirst(first, second, room)).toEqual(expected);
  });

  it("never cuts the shorter while the longer is longer (catches a rule that halves always)", () => {
    for (let a = 0; a < 12; a++) {
      for (let b = 0; b < 12; b++) {
        for (let room = 2; room < 20; room++) {
          const [x, y] = longestFirst(a, b, room);
          expect(x + y).toBe(Math.min(room, a + b));
          if (x < a) expect(x).toBeGreaterThanOrEqual(y - 1);
          if (y < b) expect(y).toBeGreaterThanOrEqual(x - 1);
        }
      }
    }
  });
});

describe("encodeTexts", () => {
  it("puts special tokens around one text and two (catches a segment border one off)", async () => {
    const tokenizer = testTokenizer();
    const id = (word: string): number => tokenizer.tokenToId(word)!;
    const [one, two] = await encodeTexts(reading(tokenizer, 16), ["good film", ["so bad", "the plot"]], never);
    expect([...one!.tokens]).toEqual(["[CLS]", "good", "film", "[SEP]"].map(id));
    expect(one).toMatchObject({ secondStart: 4, truncated: false });
    expect([...two!.tokens]).toEqual(["[CLS]", "so", "bad", "[SEP]", "the", "plot", "[SEP]"].map(id));
    expect(two).toMatchObject({ secondStart: 4, truncated: false });
  });

  it("cuts to the longest length, special tokens included (catches a lost [SEP] and a wrong count of cut texts)", async () => {
    const tokenizer = testTokenizer();
    const names = (tokens: Int32Array): string[] => [...tokens].map((token) => tokenizer.idToToken(token)!);
    const inputs = ["the very very good film", ["the very good film", "so bad"]] as const;
    const [one, two] = await encodeTexts(reading(tokenizer, 7), inputs, never);
    expect(names(one!.tokens)).toEqual(["[CLS]", "the", "very", "very", "good", "film", "[SEP]"]);
    expect(one!.truncated).toBe(false);
    expect(names(two!.tokens)).toEqual(["[CLS]", "the", "very", "[SEP]", "so", "bad", "[SEP]"]);
    expect(two).toMatchObject({ truncated: true, secondStart: 4 });
  });

  it("leaves room for every separator of the framing (catches a pair of RoBERTa's one token too long)", async () => {
    const tokenizer = testTokenizer();
    const inputs = [["the very good film", "so bad"]] as const;
    const [pair] = await encodeTexts({ tokenizer, framing: robertaFraming, maxSeqLength: 8 }, inputs, never);
    const names = [...pair!.tokens].map((token) => tokenizer.idToToken(token));
    expect(names).toEqual(["[CLS]", "the", "very", "[SEP]", "[SEP]", "so", "bad", "[SEP]"]);
    expect(pair).toMatchObject({ firstStart: 1, secondStart: 5, secondType: 0, truncated: true });
  });

  it("names the text and segment that is empty", async () => {
    const found: number[][] = [];
    await expect(
      encodeTexts(reading(testTokenizer(), 8), ["good", ["bad", "  "]], (input, segment) => {
        found.push([input, segment]);
        throw new Error("empty");
      }),
    ).rejects.toThrow("empty");
    expect(found).toEqual([[1, 1]]);
  });
});
